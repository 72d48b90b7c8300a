import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, type Page } from 'playwright-core';
import { bundleForBrowser, findChromium, launchChromium } from '../../dev/browser/index.js';

/**
 * The path of this machine's Chromium; undefined, with a warning, when there is none.
 *
 * @throws when there is none and REQUIRE_BROWSER=1
 */
export function browserOrReason(): string | undefined {
  const program = findChromium();
  if (program !== undefined) return program;
  const reason = 'No Chromium on this machine (apt-get install chromium, or set CHROMIUM to its path)';
  if (process.env['REQUIRE_BROWSER'] === '1') throw new Error(reason);
  console.warn(`\n*** ${reason}: TESTS THAT NEED A BROWSER ARE SKIPPED. ***\n`);
  return undefined;
}

/** A page with its own origin and one module. */
export interface TestPage {
  readonly page: Page;
  readonly origin: string;
  /** Calls a function that the module exports. */
  call<T>(name: string, ...args: unknown[]): Promise<T>;
  /** Saves an image to `test-artefacts/`. */
  screenshot(name: string): Promise<void>;
  stop(): Promise<void>;
}

const page = `<!doctype html><title>VPN</title><style>
  body { font: 16px sans-serif; margin: 16px } p { margin: 0 0 8px }
</style><main></main>`;

/** Opens a page. @param module the path of its module, which is bundled first */
export async function openPage(program: string, module: string): Promise<TestPage> {
  const { code } = await bundleForBrowser(module);
  const server = createServer((request, response) => {
    const isModule = request.url === '/app.js';
    response.setHeader('content-type', isModule ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(isModule ? code : page);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const browser: Browser = await launchChromium(program);
  const tab = await browser.newPage({ viewport: { width: 480, height: 640 } });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await tab.goto(origin);
  return {
    page: tab,
    origin,
    call: <T>(name: string, ...args: unknown[]) =>
      tab.evaluate<T>(`import('/app.js').then((app) => app.${name}(...${JSON.stringify(args)}))`),
    screenshot: async (name) => {
      mkdirSync('test-artefacts', { recursive: true });
      const path = join('test-artefacts', `${name}.png`);
      await tab.screenshot({ path });
    },
    stop: async () => {
      await browser.close();
      server.close();
      server.closeAllConnections();
    },
  };
}
