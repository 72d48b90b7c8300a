import pg from 'pg';
import { PrivateKeyEncryption } from '../../src/crypto/issuer/private-key-encryption.js';

/** The key that signs now, with its decrypted private key. */
export interface OpenedIssuerKey {
  readonly keyId: Buffer;
  /** PKCS #8 DER. */
  readonly privateKey: Buffer;
  readonly verifyUntil: Date;
}

/** @param encryptionKey ISSUER_KEY_ENCRYPTION_KEY: 32 bytes, base64 */
export async function readIssuerKey(ownerUrl: string, encryptionKey: string): Promise<OpenedIssuerKey> {
  const client = new pg.Client(ownerUrl);
  await client.connect();
  try {
    const { rows } = await client.query<{ key_id: Buffer; encrypted_private_key: Buffer; verify_until: Date }>(
      `SELECT key_id, encrypted_private_key, verify_until FROM identity."IssuerKey"
       WHERE sign_from <= now() AND sign_until > now() AND retired_at IS NULL
       ORDER BY sign_from DESC LIMIT 1`,
    );
    const [row] = rows;
    if (row === undefined) throw new Error('The service has not created an issuer key yet.');
    const encryption = new PrivateKeyEncryption(Buffer.from(encryptionKey, 'base64'));
    return {
      keyId: row.key_id,
      privateKey: encryption.open(row.key_id, row.encrypted_private_key),
      verifyUntil: row.verify_until,
    };
  } finally {
    await client.end();
  }
}
