import { createHash, createHmac } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { ANONYMIZER_CONFIG, type AnonymizerConfig } from '../platform/config/index.js';

type Bytes = Buffer<ArrayBuffer>;

export const saltBytes = 16;
const keyIdBytes = 8;

/**
 * Derives a connection's secrets, so that the database stores nothing that gives access to it. The connection secret is
 * derived from the token, which only the client has. The preshared key is derived from the row's salt, which is erased when
 * the connection ends.
 *
 * Each row names the server key that its secrets are derived with, so NETWORK_SECRET_KEY can be rotated at any time.
 */
@Injectable()
export class ConnectionSecretsService {
  /** Identifies the server key for new rows (8 bytes). */
  readonly currentKeyId: Bytes;
  private readonly keys: ReadonlyMap<string, Buffer>;

  constructor(@Inject(ANONYMIZER_CONFIG) config: Pick<AnonymizerConfig, 'secretKey' | 'secretKeyPrevious'>) {
    const configured = [config.secretKey, ...(config.secretKeyPrevious ? [config.secretKeyPrevious] : [])];
    this.keys = new Map(configured.map((key) => [keyIdOf(key).toString('hex'), key]));
    this.currentKeyId = keyIdOf(config.secretKey);
  }

  /**
   * HMAC-SHA256(server key, "secret" ‖ token), 43 characters of base64url.
   *
   * @returns undefined when the row's key is no longer configured
   */
  connectionSecret(token: Uint8Array, keyId: Uint8Array): string | undefined {
    return this.derive(keyId, 'secret', token)?.toString('base64url');
  }

  /**
   * HMAC-SHA256(server key, "psk" ‖ connection id (16 bytes) ‖ salt): WireGuard's preshared key, 32 bytes.
   *
   * @returns undefined when the row's key is no longer configured
   */
  presharedKey(id: string, salt: Uint8Array, keyId: Uint8Array): Bytes | undefined {
    return this.derive(keyId, 'psk', Buffer.from(id.replaceAll('-', ''), 'hex'), salt);
  }

  private derive(keyId: Uint8Array, label: string, ...parts: Uint8Array[]): Bytes | undefined {
    const key = this.keys.get(Buffer.from(keyId).toString('hex'));
    if (key === undefined) return undefined;
    const hmac = createHmac('sha256', key).update(label);
    for (const part of parts) hmac.update(part);
    return hmac.digest();
  }
}

/** SHA-256 of a connection secret, which the row stores instead of the secret. */
export function secretHashOf(secret: string): Bytes {
  return createHash('sha256').update(secret).digest();
}

function keyIdOf(key: Buffer): Bytes {
  return createHash('sha256').update(key).digest().subarray(0, keyIdBytes);
}
