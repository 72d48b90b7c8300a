import { bundleForBrowser } from './browser/index.js';

/** What the whole of the client may weigh in an app: minified and compressed. Apps that use less of it get less. */
export const maxGzipBytes = 40_000;

export const browserEntry = 'packages/client/src/index.ts';

/** `npm run build` prints what the client weighs in a browser, and `npm run check` refuses one that is too heavy or needs Node. */
async function main(): Promise<void> {
  const { gzipBytes, imports } = await bundleForBrowser(browserEntry);
  const isGood = gzipBytes <= maxGzipBytes && imports.length === 0;
  const size = `The client in a browser: ${(gzipBytes / 1000).toFixed(1)} kB of ${maxGzipBytes / 1000} (minified, gzip)`;
  console.log(imports.length > 0 ? `${size}, and it needs ${imports.join(', ')}` : size);
  if (!isGood) process.exitCode = 1;
}

if (import.meta.main) await main();
