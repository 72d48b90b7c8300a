/** Someone with an account at Firebase, as an app sees it: the public REST API. */
export interface Person {
  readonly uid: string;
  readonly email: string;
  /** A fresh ID token, which says that the address is verified once it is. */
  idToken(): Promise<string>;
}

interface SignedIn {
  readonly localId: string;
  readonly refreshToken: string;
  readonly idToken: string;
}

/** Signs up, and proves the address by the code that Firebase would have mailed. */
export async function signUp(firebaseUrl: string, projectId: string, email: string): Promise<Person> {
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
