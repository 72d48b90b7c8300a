import { type INestApplicationContext } from '@nestjs/common';
import { Command } from 'commander';
import { Clock } from '../../src/platform/config/index.js';
import { decodeBase64url, encodeBase64url } from '../../src/crypto/index.js';
import { IssuerKeysService } from '../../src/crypto/issuer/index.js';
import { VerifierKeysService } from '../../src/crypto/verifier/index.js';
import { hasSide, OperatorError, withSide } from '../context.js';
import { allowLeadingDash, type Output, withJson } from '../options.js';
import { printDone, printRows } from '../output.js';

export function keyCommands(): Command {
  const keys = new Command('keys').description('Manage the issuer keys, one for each day');
  withJson(keys.command('list'))
    .description('List the keys whose tokens are still accepted')
    .action(async (output: Output) => {
      const rows = await withSide('gatekeeper', listKeys);
      printRows(rows, output, 'No issuer keys yet.');
    });
  withJson(keys.command('rotate'))
    .description(
      'Rotate keys now instead of on schedule: create the next key, re-encrypt private keys, delete old ones',
    )
    .action(async (output: Output) => {
      const rows = await withSide('gatekeeper', async (app) => {
        await app.get(IssuerKeysService).rotate();
        return listKeys(app);
      });
      printRows(rows, output, 'No issuer keys yet.');
    });
  withJson(allowLeadingDash(keys.command('retire <keyId>')))
    .description('Retire a key in an emergency, on each side of this machine; its tokens can no longer be spent')
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
    throw new OperatorError('Expected a key id: 32 bytes in base64url. List the keys: npm run admin -- keys list');
  const gatekeeper =
    hasSide('gatekeeper') && (await withSide('gatekeeper', (app) => app.get(IssuerKeysService).retire(keyId)));
  const anonymizer =
    hasSide('anonymizer') && (await withSide('anonymizer', (app) => app.get(VerifierKeysService).deny(keyId)));
  if (!gatekeeper && !anonymizer) {
    throw new OperatorError(`No live key has the id ${text}. List the keys: npm run admin -- keys list`);
  }
  const nextStep = hasSide('gatekeeper') && hasSide('anonymizer') ? '' : ' Run this command on the other side too.';
  const effects = [
    gatekeeper ? 'The gatekeeper no longer signs with it.' : '',
    anonymizer ? 'The anonymizer no longer accepts its tokens.' : '',
  ];
  printDone(
    `Key retired. ${effects.filter(Boolean).join(' ')}${nextStep}`,
    { keyId: text, signingEnded: gatekeeper, verificationEnded: anonymizer },
    output,
  );
}
