import { constants, generateKeyPairSync, privateEncrypt } from 'node:crypto';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { cpus } from 'node:os';
import { bundleForBrowser, findChromium, launchChromium } from '../dev/browser/index.js';
import { type BlindingTime, type Issuer, measureBlinding } from './blinding.js';

/** `npm run bench:client`: measures a client's blinding in Node and, if installed, in Chromium. */

const budgetMs = 2_000;

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const issuer: Issuer = {
  spki: tokenKeyOf(Buffer.from(String(publicKey.export({ format: 'jwk' })['n']), 'base64url')),
  sign: async (blinded) =>
    new Uint8Array(privateEncrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, blinded)),
};

function tokenKeyOf(modulus: Buffer): Uint8Array<ArrayBuffer> {
  const algorithm =
    '303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d010108300b0609608648016503040202a203020130';
  return new Uint8Array([
    ...Buffer.from(`30820152${algorithm}0382010f003082010a0282010100`, 'hex'),
    ...modulus,
    ...[2, 3, 1, 0, 1],
  ]);
}

/** The same measurement in a page. This process exposes the signing function to the page. */
async function measureInChromium(program: string): Promise<{ version: string; times: BlindingTime[] }> {
  const { code } = await bundleForBrowser('bench/blinding.ts');
  // WebCrypto needs a secure origin, such as 127.0.0.1.
  const server = createServer((request, response) => {
    response.setHeader('content-type', request.url === '/blinding.js' ? 'text/javascript' : 'text/html');
    response.end(request.url === '/blinding.js' ? code : '<!doctype html>');
  }).listen(0, '127.0.0.1');
  const browser = await launchChromium(program);
  try {
    const page = await browser.newPage();
    await page.exposeFunction('signAtIssuer', async (blinded: number[]) => [
      ...(await issuer.sign(Uint8Array.from(blinded))),
    ]);
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const script = `(async ({ spki, budgetMs }) => {
      const { measureBlinding } = await import('/blinding.js');
      const sign = async (blinded) => Uint8Array.from(await signAtIssuer([...blinded]));
      return measureBlinding({ spki: Uint8Array.from(spki), sign }, budgetMs);
    })(${JSON.stringify({ spki: [...issuer.spki], budgetMs })})`;
    return { version: browser.version(), times: await page.evaluate<BlindingTime[]>(script) };
  } finally {
    await browser.close();
    server.close();
  }
}

function table(where: string, times: readonly BlindingTime[]): string {
  const rows = times.map(({ name, blind, finalize }) => `| ${name} | ${blind.toFixed(2)} | ${finalize.toFixed(2)} |`);
  return [`| ${where} | blind, ms | finalize, ms |`, '| --- | ---: | ---: |', ...rows].join('\n');
}

console.log(`${cpus()[0]?.model.trim() ?? 'unknown'}, one core; times per token, the fastest of many samples\n`);
console.log(`${table(`Node ${process.versions.node}`, await measureBlinding(issuer, budgetMs))}\n`);
const program = findChromium();
if (program === undefined) console.log('Found no Chromium on this machine: measured only in Node.');
else {
  const { version, times } = await measureInChromium(program);
  console.log(table(`Chromium ${version}`, times));
}
