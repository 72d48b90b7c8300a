import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { type AppOptions, cert } from 'firebase-admin/app';
import { type GatekeeperConfig } from '../platform/config/index.js';

export interface FirebaseClientOptions extends Readonly<GatekeeperConfig['firebase']> {
  /** How long Firebase may take to respond before it counts as unavailable. */
  readonly timeoutMs?: number;
}

/**
 * Closes connections that stay silent. The library sets no time limit when it fetches certificates, so each token that waits
 * for them would leak a connection.
 *
 * If an API URL is configured, every request goes there, whichever Google host it names. TLS still verifies that host name:
 * the server must present a certificate for `*.googleapis.com` from the CA that is configured with the URL.
 */
export class FirebaseAgent extends Agent {
  constructor(
    timeout: number,
    private readonly api: FirebaseClientOptions['api'],
  ) {
    super({ keepAlive: true, timeout, ...(api && { ca: readFileSync(api.caFile) }) });
  }

  override createConnection(...[options, callback]: Parameters<Agent['createConnection']>) {
    const address = this.api && addressOf(this.api.url);
    const socket = super.createConnection({ ...options, ...address }, callback);
    socket?.on('timeout', () => socket.destroy(new Error('Google did not respond in time.')));
    return socket;
  }
}

function addressOf(url: string) {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port || 443) };
}

export function appOptions({ projectId, serviceAccount, api }: FirebaseClientOptions, httpAgent?: Agent): AppOptions {
  const options = { projectId, ...(httpAgent && { httpAgent }) };
  // With an API URL, `cert` is no use: it would fetch its access token from Google, bypassing the agent.
  if (api) {
    return { ...options, credential: { getAccessToken: async () => ({ access_token: 'none', expires_in: 3600 }) } };
  }
  return { ...options, ...(serviceAccount && { credential: cert({ projectId, ...serviceAccount }) }) };
}

/**
 * The library reads this setting, which disables signature checks, from the environment of the process when the client is
 * created. This makes our configuration the only source: the variable is set or unset for that moment.
 */
export function withEmulatorHost<T>(host: string | undefined, create: () => T): T {
  const name = 'FIREBASE_AUTH_EMULATOR_HOST';
  const before = process.env[name];
  const set = (value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  set(host);
  try {
    return create();
  } finally {
    set(before);
  }
}
