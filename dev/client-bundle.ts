import { bundleForBrowser } from './browser/index.js';

/** The largest size of the whole client, minified and compressed. Apps that use a part of it get less. */
export const maxGzipBytes = 40_000;

export const browserEntry = 'packages/client/src/index.ts';

/** `npm run build` prints the client's size in a browser; `npm run check` fails when it is too large or needs Node. */
async function main(): Promise<void> {
  const { gzipBytes, imports } = await bundleForBrowser(browserEntry);
  const isAllowed = gzipBytes <= maxGzipBytes && imports.length === 0;
  const size = `The client in a browser: ${(gzipBytes / 1000).toFixed(1)} kB of ${maxGzipBytes / 1000} (minified, gzip)`;
  console.log(imports.length > 0 ? `${size}, and it needs ${imports.join(', ')}` : size);
  if (!isAllowed) process.exitCode = 1;
}

if (import.meta.main) await main();
