import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Secrets that an operator would create with `openssl rand -base64 32`. They are created once and stored in the data folder. */
export interface StackSecrets {
  readonly identitySecretKey: string;
  readonly networkSecretKey: string;
  readonly issuerKeyEncryptionKey: string;
  readonly identityPassword: string;
  readonly networkPassword: string;
}

const key = () => randomBytes(32).toString('base64');
const password = () => randomBytes(18).toString('hex');

export function stackSecrets(dataDir: string | undefined): StackSecrets {
  if (dataDir === undefined) return newSecrets();
  const file = join(dataDir, 'secrets.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as StackSecrets;
  const secrets = newSecrets();
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}

function newSecrets(): StackSecrets {
  return {
    identitySecretKey: key(),
    networkSecretKey: key(),
    issuerKeyEncryptionKey: key(),
    identityPassword: password(),
    networkPassword: password(),
  };
}
