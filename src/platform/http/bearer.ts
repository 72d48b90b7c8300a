/** The credentials of `Authorization: Bearer …` (RFC 6750 §2.1); undefined when absent, of another scheme or malformed. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization ?? '')?.[1];
}
