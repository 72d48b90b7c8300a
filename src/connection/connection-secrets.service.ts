import { createHash, createHmac } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { ANONYMIZER_CONFIG, type AnonymizerConfig } from '../platform/config/index.js';

type Bytes = Buffer<ArrayBuffer>;

export const saltBytes = 16;
const keyIdBytes = 8;

/**
 * What a connection's secrets are derived by, so that nothing has to be kept that would open it: the connection secret
 * comes from the token alone, which only its holder has; the preshared key from the row's salt, which goes at the end.
 *
 * A row names the server key that it was made under, so that NETWORK_SECRET_KEY can be rotated while connections live.
 */
@Injectable()
export class ConnectionSecretsService {
  /** Names the key that new rows are made under (8 bytes). */
  readonly currentKeyId: Bytes;
  private readonly keys: ReadonlyMap<string, Buffer>;

  constructor(@Inject(ANONYMIZER_CONFIG) config: Pick<AnonymizerConfig, 'secretKey' | 'secretKeyPrevious'>) {
    const known = [config.secretKey, ...(config.secretKeyPrevious ? [config.secretKeyPrevious] : [])];
    this.keys = new Map(known.map((key) => [nameOf(key).toString('hex'), key]));
    this.currentKeyId = nameOf(config.secretKey);
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

/** SHA-256 of a connection secret: what the row keeps of it. */
export function secretHashOf(secret: string): Bytes {
  return createHash('sha256').update(secret).digest();
}

function nameOf(key: Buffer): Bytes {
  return createHash('sha256').update(key).digest().subarray(0, keyIdBytes);
}
