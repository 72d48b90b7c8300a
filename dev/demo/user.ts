/** A user with an account at Firebase, created through its public REST API as an app does. */
export interface User {
  readonly uid: string;
  readonly email: string;
  /** A fresh ID token. It contains whether the e-mail address is verified. */
  idToken(): Promise<string>;
}

interface SignedIn {
  readonly localId: string;
  readonly refreshToken: string;
  readonly idToken: string;
}

/** Signs up, and verifies the e-mail address with the code that Firebase would have sent. */
export async function signUp(firebaseUrl: string, projectId: string, email: string): Promise<User> {
  const call = async <T>(path: string, body?: object): Promise<T> => {
    const init = body && {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    };
    const response = await fetch(`${firebaseUrl}/${path}`, init);
    if (!response.ok) throw new Error(`Firebase answered ${response.status} to ${path}`);
    return (await response.json()) as T;
  };
  const identityToolkit = 'identitytoolkit.googleapis.com/v1/accounts';
  const account = { email, password: 'correct horse battery staple', returnSecureToken: true };
  const { localId, refreshToken, idToken } = await call<SignedIn>(`${identityToolkit}:signUp?key=demo`, account);
  await call(`${identityToolkit}:sendOobCode?key=demo`, { requestType: 'VERIFY_EMAIL', idToken });
  const { oobCodes } = await call<{ oobCodes: { email: string; oobCode: string }[] }>(
    `emulator/v1/projects/${projectId}/oobCodes`,
  );
  const oobCode = oobCodes.findLast((code) => code.email === email)?.oobCode;
  await call(`${identityToolkit}:update?key=demo`, { oobCode });
  return {
    uid: localId,
    email,
    idToken: async () => {
      const refresh = { grant_type: 'refresh_token', refresh_token: refreshToken };
      const { id_token } = await call<{ id_token: string }>('securetoken.googleapis.com/v1/token?key=demo', refresh);
      return id_token;
    },
  };
}
