import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { type AppOptions, cert } from 'firebase-admin/app';
import { type GatekeeperConfig } from '../platform/config/index.js';

export interface FirebaseClientOptions extends Readonly<GatekeeperConfig['firebase']> {
  /** How long an answer may take before the provider counts as unavailable. */
  readonly timeoutMs?: number;
}

/**
 * Ends connections that fall silent: the library sets no limit for certificates, so each token that waits for them would
 * leave a connection behind.
 *
 * With another API URL, every request goes there, whatever host of Google's it names. TLS still checks that name: only
 * `*.googleapis.com` passes, and only under the CA that is configured with the URL.
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
    socket?.on('timeout', () => socket.destroy(new Error('Google fell silent.')));
    return socket;
  }
}

function addressOf(url: string) {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port || 443) };
}

export function appOptions({ projectId, serviceAccount, api }: FirebaseClientOptions, httpAgent?: Agent): AppOptions {
  const options = { projectId, ...(httpAgent && { httpAgent }) };
  // Not `cert` with another API URL: it would fetch its access token past the agent, from Google.
  if (api) {
    return { ...options, credential: { getAccessToken: async () => ({ access_token: 'none', expires_in: 3600 }) } };
  }
  return { ...options, ...(serviceAccount && { credential: cert({ projectId, ...serviceAccount }) }) };
}

/**
 * The library takes this one setting, which turns signatures off, from the process's environment, and at this moment:
 * make it what our configuration says, set or not.
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
