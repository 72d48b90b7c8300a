import { mkdirSync } from 'node:fs';
import { type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from '../../dev/browser/index.js';
import { browserOrReason } from '../support/browser.js';
import { optionalKinds } from '../../src/preferences/index.js';
import { kinds, samplePayloads } from '../../src/notifications/kinds.js';
import { renderMail } from '../../src/notifications/mail.js';
import { confirmPage, donePage } from '../../src/notifications/unsubscribe-pages.js';

const program = browserOrReason();
/** Screenshots, for developers to look at. */
const folder = 'test-artefacts/mails';

const widths = { phone: 375, desktop: 1280 } as const;
const pages = [
  ...kinds.map((kind) => {
    const isOptional = optionalKinds.some((one) => one === kind);
    const unsubscribeUrl = isOptional
      ? `https://id.vpn.example/notifications/unsubscribe/${'a'.repeat(90)}`
      : undefined;
    return {
      name: kind,
      html: renderMail(kind, samplePayloads[kind], { locale: 'en', service: 'Example VPN', unsubscribeUrl }).html,
    };
  }),
  // A text that would break a page that does not escape and wrap it.
  {
    name: 'maintenance-hostile',
    html: renderMail(
      'maintenance',
      { ...samplePayloads.maintenance, text: `${'wordwithoutend'.repeat(30)} <script>document.title='run'</script>` },
      { locale: 'en', service: 'Example VPN' },
    ).html,
  },
  { name: 'unsubscribe', html: confirmPage('maintenance') },
  { name: 'unsubscribed', html: donePage('maintenance') },
];

describe.skipIf(program === undefined)('mails and unsubscribe pages in Chromium', () => {
  let browser: Browser;

  beforeAll(async () => {
    mkdirSync(folder, { recursive: true });
    browser = await launchChromium(program ?? '');
  });
  afterAll(() => browser.close());

  it.each(pages.flatMap((page) => Object.entries(widths).map(([device, width]) => ({ ...page, device, width }))))(
    '$name fits a $device and loads nothing',
    async ({ name, html, device, width }) => {
      const page = await browser.newPage({ viewport: { width, height: 800 } });
      const requests: string[] = [];
      page.on('request', (request) => requests.push(request.url()));
      await page.setContent(html);
      await page.screenshot({ path: `${folder}/${name}-${device}.png`, fullPage: true });
      const layout = await page.evaluate<{ wide: number; heading: string; title: string; small: number }>(`({
        wide: document.documentElement.scrollWidth,
        heading: document.querySelector('h1').innerText,
        title: document.title,
        small: Math.min(...[...document.querySelectorAll('p, h1')].map((one) => parseFloat(getComputedStyle(one).fontSize))),
      })`);
      await page.close();
      expect(layout.wide).toBeLessThanOrEqual(width);
      expect(layout.small).toBeGreaterThanOrEqual(13);
      expect(layout.title).toBe(layout.heading);
      expect(requests.filter((url) => url !== 'about:blank')).toEqual([]);
    },
  );
});
