import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { type App, deleteApp, initializeApp } from 'firebase-admin/app';
import { type Auth, getAuth } from 'firebase-admin/auth';
import { type FakeFirebase } from '../src/firebase/index.js';

/** Sends every request for a Google host to the fake. TLS still verifies the host name, under the fake's CA. */
class FakeGoogleAgent extends Agent {
  constructor(private readonly tls: FakeFirebase['tls']) {
    super({ keepAlive: true, ca: readFileSync(tls.caFile) });
  }

  override createConnection(...[options, callback]: Parameters<Agent['createConnection']>) {
    const { hostname: host, port } = new URL(this.tls.url);
    return super.createConnection({ ...options, host, port }, callback);
  }
}

/** Google's own library for backends, used as in production: over TLS, with certificate and token verification. */
export function googleAdmin({ tls }: FakeFirebase, projectId: string): { auth: Auth; close: () => Promise<void> } {
  const httpAgent = new FakeGoogleAgent(tls);
  const credential = { getAccessToken: async () => ({ access_token: 'fake', expires_in: 3600 }) };
  const app: App = initializeApp({ projectId, httpAgent, credential }, crypto.randomUUID());
  const close = async () => {
    await deleteApp(app);
    httpAgent.destroy();
  };
  return { auth: getAuth(app), close };
}
