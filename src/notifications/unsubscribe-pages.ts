import { type OptionalKind } from '../preferences/index.js';

const names: Readonly<Record<OptionalKind, string>> = {
  welcome: 'welcome mails',
  trial_ending: 'mails before a trial ends',
  renewed: 'mails about renewals',
  maintenance: 'mails about maintenance',
};

/** Both pages load nothing, and the form goes back to where it came from. */
const page = (title: string, body: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>body{font:18px/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem;color:#1c2430}button{font:inherit;padding:.5rem 1rem}</style>
</head>
<body>
<h1>${title}</h1>
${body}
</body>
</html>
`;

export const confirmPage = (kind: OptionalKind) =>
  page(`No more ${names[kind]}?`, '<form method="post"><button>No more of these</button></form>');

export const donePage = (kind: OptionalKind) =>
  page('Done', `<p>You get no more ${names[kind]}. In the app, under notifications, you can have them back.</p>`);

/** The headers that such a page needs beside those of the API. */
export const pagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
