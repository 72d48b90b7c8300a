import { type INestApplicationContext } from '@nestjs/common';
import { Command } from 'commander';
import { Clock } from '../../src/platform/config/index.js';
import { decodeBase64url, encodeBase64url } from '../../src/crypto/index.js';
import { IssuerKeysService } from '../../src/crypto/issuer/index.js';
import { VerifierKeysService } from '../../src/crypto/verifier/index.js';
import { holdsSide, OperatorError, withSide } from '../context.js';
import { type Output, withJson, withName } from '../options.js';
import { printDone, printRows } from '../output.js';

export function keyCommands(): Command {
  const keys = new Command('keys').description('the issuer keys, one a day');
  withJson(keys.command('list'))
    .description('keys whose tokens are still accepted')
    .action(async (output: Output) => {
      const rows = await withSide('gatekeeper', listKeys);
      printRows(rows, output, 'No issuer key yet.');
    });
  withJson(keys.command('rotate'))
    .description("do the schedule's work now: make the next key, re-encrypt private halves, erase old ones")
    .action(async (output: Output) => {
      const rows = await withSide('gatekeeper', async (app) => {
        await app.get(IssuerKeysService).rotate();
        return listKeys(app);
      });
      printRows(rows, output, 'No issuer key yet.');
    });
  withJson(withName(keys.command('retire <keyId>')))
    .description('emergency: end a key at once on every side that this machine holds; its tokens are lost')
    .action(retire);
  return keys;
}

async function listKeys(app: INestApplicationContext) {
  const keys = app.get(IssuerKeysService);
  await keys.refresh();
  const now = app.get(Clock).now();
  return keys.directoryKeys().map((key) => ({
    keyId: encodeBase64url(key.keyId),
    state: key.retired ? 'retired' : now < key.notBefore ? 'next' : now < key.signUntil ? 'signs' : 'verifies',
    notBefore: key.notBefore.toISOString(),
    signUntil: key.signUntil.toISOString(),
    verifyUntil: key.verifyUntil.toISOString(),
  }));
}

async function retire(text: string, output: Output): Promise<void> {
  const keyId = decodeBase64url(text);
  if (keyId?.length !== 32)
    throw new OperatorError('A key id is 32 bytes in base64url: see npm run admin -- keys list');
  const gatekeeper =
    holdsSide('gatekeeper') && (await withSide('gatekeeper', (app) => app.get(IssuerKeysService).retire(keyId)));
  const anonymizer =
    holdsSide('anonymizer') && (await withSide('anonymizer', (app) => app.get(VerifierKeysService).deny(keyId)));
  if (!gatekeeper && !anonymizer) throw new OperatorError(`No live key has the id ${text}.`);
  const elsewhere = holdsSide('gatekeeper') && holdsSide('anonymizer') ? '' : ' Run it on the other side too.';
  const sides = [gatekeeper ? 'signs no more' : '', anonymizer ? 'verifies no more' : ''].filter(Boolean).join(' and ');
  printDone(
    `The key ${sides}.${elsewhere}`,
    { keyId: text, signingEnded: gatekeeper, verificationEnded: anonymizer },
    output,
  );
}
