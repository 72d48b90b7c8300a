import { type Accounts, type OobCode } from './accounts.js';
import { type AdminApi } from './admin-api.js';
import { type ClientApi } from './client-api.js';
import { GoogleError } from './google-error.js';
import { type IdTokens } from './id-tokens.js';
import { type MessagingApi } from './messaging.js';
import { type Request, type Route } from './router.js';

interface Parts {
  readonly projectId: string;
  readonly client: ClientApi;
  readonly admin: AdminApi;
  readonly messaging: MessagingApi;
  readonly accounts: Accounts;
  readonly idTokens: IdTokens;
}

/** The part of the public REST API of Firebase Auth and Cloud Messaging that this project and the client SDK use. */
export function routes({ projectId, client, admin, messaging, accounts, idTokens }: Parts): readonly Route[] {
  const post = (path: RegExp, handle: Route['handle']): Route => ({ method: 'POST', path, handle });
  const forAdmin = (handle: (body: unknown) => object) => (request: Request) => {
    if (!/^Bearer \S/.test(request.headers.authorization ?? '')) throw new GoogleError('UNAUTHENTICATED', 401);
    if (request.params.project !== projectId) throw new GoogleError('PROJECT_NOT_FOUND', 404);
    return handle(request.body);
  };
  return [
    post(/^\/v1\/accounts:signUp$/, ({ body }) => client.signUp(body)),
    post(/^\/v1\/accounts:signInWithPassword$/, ({ body }) => client.signInWithPassword(body)),
    post(/^\/v1\/accounts:lookup$/, ({ body }) => client.lookup(body)),
    post(/^\/v1\/accounts:update$/, ({ body }) => client.update(body)),
    post(/^\/v1\/accounts:sendOobCode$/, ({ body }) => client.sendOobCode(body)),
    post(/^\/v1\/accounts:delete$/, ({ body }) => client.delete(body)),
    post(/^\/v1\/token$/, ({ body }) => client.refresh(body)),
    post(
      /^\/v1\/projects\/(?<project>[^/]+)\/accounts:lookup$/,
      forAdmin((body) => admin.lookup(body)),
    ),
    post(
      /^\/v1\/projects\/(?<project>[^/]+)\/accounts:update$/,
      forAdmin((body) => admin.update(body)),
    ),
    post(
      /^\/v1\/projects\/(?<project>[^/]+)\/accounts:sendOobCode$/,
      forAdmin((body) => admin.sendOobCode(body)),
    ),
    post(
      /^\/v1\/projects\/(?<project>[^/]+)\/accounts:delete$/,
      forAdmin((body) => admin.delete(body)),
    ),
    post(
      /^\/v1\/projects\/(?<project>[^/]+)\/messages:send$/,
      forAdmin((body) => messaging.send(body)),
    ),
    {
      method: 'GET',
      path: /^\/robot\/v1\/metadata\/x509\/securetoken@system\.gserviceaccount\.com$/,
      headers: { 'cache-control': 'public, max-age=21600, must-revalidate, no-transform' },
      handle: () => idTokens.certificates(),
    },
    {
      // This endpoint exists only in Firebase's emulator. It lists the links that Google would have mailed.
      method: 'GET',
      path: /^\/emulator\/v1\/projects\/(?<project>[^/]+)\/oobCodes$/,
      handle: ({ headers }) => ({
        oobCodes: accounts.listOobCodes().map((code) => {
          const { email, newEmail, requestType, oobCode } = code;
          return { email, newEmail, requestType, oobCode, oobLink: actionLink(`http://${headers.host ?? ''}`, code) };
        }),
      }),
    },
    {
      // This endpoint exists only in Firebase's emulator. It handles an opened link.
      method: 'GET',
      path: /^\/emulator\/action$/,
      handle: ({ query }) => {
        const { email } = accounts.useOobCode(query.get('oobCode') ?? '');
        return { authEmulator: { success: 'The email has been successfully verified.', email } };
      },
    },
  ];
}

/** @param base the URL of the fake's plain HTTP listener */
export function actionLink(base: string, { requestType, oobCode }: OobCode): string {
  const mode = requestType === 'VERIFY_EMAIL' ? 'verifyEmail' : 'verifyAndChangeEmail';
  return `${base}/emulator/action?mode=${mode}&oobCode=${oobCode}`;
}
