import { type OptionalKind } from '../preferences/index.js';

const kindNames: Readonly<Record<OptionalKind, string>> = {
  welcome: 'welcome messages',
  trial_ending: 'trial reminders',
  renewed: 'renewal confirmations',
  maintenance: 'maintenance announcements',
};

/** Both pages load nothing. The form is sent to the page's own URL. */
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
  page(
    `Unsubscribe from ${kindNames[kind]}?`,
    '<p>You will no longer receive them by e-mail.</p><form method="post"><button>Unsubscribe</button></form>',
  );

export const donePage = (kind: OptionalKind) =>
  page(
    'You are unsubscribed',
    `<p>You will no longer receive ${kindNames[kind]} by e-mail. You can turn them on again in the app, under Notifications.</p>`,
  );

/** The Content-Security-Policy of these pages. */
export const pagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
