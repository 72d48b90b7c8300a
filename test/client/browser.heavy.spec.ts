import { parseWireguardConf } from '@vpn-backend/client';
import { type Request } from 'playwright-core';
import decodeQR from 'qr/decode.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserOrReason, openPage, type TestPage } from '../support/browser.js';
import { type ClientWorld, signUp, startClientWorld } from '../support/client-world.js';

const program = browserOrReason();

let browser: TestPage;
let world: ClientWorld;
let settings: Record<string, string>;

interface Result {
  readonly prefetched: number;
  readonly events: { readonly type: string }[];
  readonly status: string;
  readonly conf: string;
  readonly svg: string;
}

describe.skipIf(program === undefined)('a web app in Chromium', () => {
  const requests: Request[] = [];
  let result: Result;

  beforeAll(async () => {
    browser = await openPage(program ?? '', 'test/client/page/app.ts');
    world = await startClientWorld({ CORS_ORIGINS: browser.origin });
    const { firebase, service } = world.gatekeeper;
    settings = {
      gatekeeperUrl: service.url,
      anonymizerUrl: world.anonymizer.url,
      firebaseUrl: firebase.url,
      ...(await signUp(firebase.url)),
    };
    // Cookies ignore ports: if any cookies were sent, these would go to both sides.
    await browser.page.context().addCookies([{ name: 'who', value: 'ada', domain: '127.0.0.1', path: '/' }]);
    browser.page.on('request', (request) => requests.push(request));
    // The page uses the machine's clock. A service whose clock is behind would have no key for the page's day.
    world.gatekeeper.clock.set(new Date());
    result = await browser.call<Result>('run', settings);
  });
  afterAll(async () => {
    await browser.stop();
    await world.stop();
  });

  it('signs in, prefetches tokens, and spends one', () => {
    expect(result).toMatchObject({ prefetched: 6, events: [{ type: 'prefetched', tokens: 6 }], status: 'active' });
    expect(parseWireguardConf(result.conf).interface.privateKey).toHaveLength(44);
  });

  it('shows a QR code that a camera can read', async () => {
    await browser.screenshot('client-in-chromium');
    const pixels = await browser.page.evaluate<{ width: number; height: number; data: number[] }>(pixelsOf(result.svg));
    const text = decodeQR({ ...pixels, data: Uint8Array.from(pixels.data) }, { timeLimit: 10_000 });
    expect(text).toBe(result.conf);
  });

  it('sends the anonymizer no cookie, referrer or credential', async () => {
    const anonymous = requests.filter((request) => request.url().startsWith(settings['anonymizerUrl'] ?? ''));
    const paths = new Set(anonymous.map((request) => new URL(request.url()).pathname));
    expect(paths).toContain('/vpn/config');
    for (const request of anonymous) {
      const { authorization, ...headers } = await request.allHeaders();
      const isOwnSecret = new URL(request.url()).pathname === '/vpn/connection';
      expect(headers, request.url()).not.toHaveProperty('cookie');
      expect(headers, request.url()).not.toHaveProperty('referer');
      // A secret is random text that may contain any word.
      if (isOwnSecret) expect(authorization, request.url()).toMatch(/^Bearer [\w-]{43}$/);
      else expect(authorization, request.url()).toBeUndefined();
      expect(JSON.stringify(headers)).not.toMatch(/eyJ|ada/);
    }
  });

  it('uses the wallet in IndexedDB after a reload', async () => {
    await browser.page.reload();
    expect(await browser.call('resume', settings)).toMatchObject({ before: 1, after: 0, tokens: 5, attempts: 0 });
  });

  it('loses no change when two tabs change the wallet at once', async () => {
    expect(await browser.call('countConcurrently', 40)).toBe(40);
  });
});

/** Code for the page that renders the image and returns its pixels. */
function pixelsOf(svg: string): string {
  return `(async () => {
    const image = new Image();
    image.src = 'data:image/svg+xml,' + encodeURIComponent(${JSON.stringify(svg)});
    await image.decode();
    const canvas = Object.assign(document.createElement('canvas'), { width: 600, height: 600 });
    const context = canvas.getContext('2d');
    context.imageSmoothingEnabled = false;
    context.drawImage(image, 0, 0, 600, 600);
    const { width, height, data } = context.getImageData(0, 0, 600, 600);
    return { width, height, data: [...data] };
  })()`;
}
