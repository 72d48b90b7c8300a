/**
 * Whether a provider may redirect users to a URL: it must be one that the operator allows, or below one. Otherwise our
 * checkout would be an open redirect to an attacker's page.
 *
 * @param allowed such as `https://app.example.com/account` or `com.example.vpn://paid`
 */
export function isAllowedReturnUrl(text: string, allowed: readonly string[]): boolean {
  const url = parse(text);
  return url !== undefined && allowed.some((one) => isBelow(url, one));
}

function isBelow(url: URL, allowed: string): boolean {
  const base = parse(allowed);
  if (base === undefined || url.protocol !== base.protocol || url.host !== base.host) return false;
  const path = base.pathname.replace(/\/$/, '');
  return url.pathname === base.pathname || url.pathname === path || url.pathname.startsWith(`${path}/`);
}

function parse(text: string): URL | undefined {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return undefined;
  return ['javascript:', 'data:', 'file:', 'blob:'].includes(url.protocol) ? undefined : url;
}
