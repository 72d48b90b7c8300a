import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { chown, link, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { type Credentials, type CredentialStore } from '../credentials.js';
import { isRecord, parseJson, parseTunnel } from '../protocol.js';

/** A file with a secret can be read by other users. */
class ExposedFileError extends Error {
  override readonly name = 'ExposedFile';

  constructor(path: string) {
    super(`${path} must be readable by its owner alone: chmod 600 ${path}`);
  }
}

/**
 * Reads the node's WireGuard private key, and creates it when there is none.
 *
 * @returns the public key, standard base64
 * @throws {ExposedFileError | Error}
 */
export async function ensurePrivateKey(path: string): Promise<string> {
  const found = await publicKeyIn(path);
  if (found !== undefined) return found;
  const { privateKey } = generateKeyPairSync('x25519');
  const created = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32).toString('base64');
  return publicKeyOf(path, await createIfAbsent(path, `${created}\n`));
}

/** @returns the public key of the private key in a file; undefined when there is no file */
export async function publicKeyIn(path: string): Promise<string | undefined> {
  const text = await readPrivate(path);
  return text === undefined ? undefined : publicKeyOf(path, text);
}

/** PKCS #8 of an X25519 key (RFC 8410 §7), up to the 32 bytes of the key itself. */
const pkcs8Head = Buffer.from('302e020100300506032b656e04220420', 'hex');

function publicKeyOf(path: string, text: string): string {
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text.trim()))
    throw new Error(`${path} contains no WireGuard private key. Create one with wg genkey`);
  const der = Buffer.concat([pkcs8Head, Buffer.from(text.trim(), 'base64')]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  return key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
}

/** Stores the credentials in a file that only its owner can read. A save replaces the file atomically. */
export class FileCredentialStore implements CredentialStore {
  constructor(private readonly path: string) {}

  async load(): Promise<Credentials | undefined> {
    const text = await readPrivate(this.path);
    if (text === undefined) return undefined;
    const stored = parseJson(text);
    if (!isRecord(stored) || !isRecord(stored['interface'])) throw this.#damaged();
    const { id, credential, interface: settings, registered } = stored as unknown as Credentials;
    const { addresses, resolvers, listenPort, mtu } = settings;
    const tunnel = parseTunnel({ addresses, resolvers, listen_port: listenPort, mtu });
    if (typeof id !== 'string' || typeof credential !== 'string' || !tunnel || !isRecord(registered)) {
      throw this.#damaged();
    }
    return { id, credential, interface: tunnel, registered };
  }

  async save(credentials: Credentials): Promise<void> {
    const draft = `${this.path}.new`;
    await writePrivate(draft, JSON.stringify(credentials));
    // A rotation may run as root; the agent that reads the file does not.
    const owner = await stat(this.path).catch(() => undefined);
    if (owner !== undefined && owner.uid !== process.getuid?.()) await chown(draft, owner.uid, owner.gid);
    await rename(draft, this.path);
  }

  #damaged(): Error {
    return new Error(
      `${this.path} is damaged. Remove it and the node's private key to enrol this server as a new node`,
    );
  }
}

async function readPrivate(path: string): Promise<string | undefined> {
  try {
    const [text, { mode }] = [await readFile(path, 'utf8'), await stat(path)];
    if ((mode & 0o077) !== 0) throw new ExposedFileError(path);
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @returns the file's content: `content`, or what another process has written first */
async function createIfAbsent(path: string, content: string): Promise<string> {
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  await writePrivate(draft, content);
  // Unlike rename, link never replaces an existing file: another key would make this another node.
  await link(draft, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await unlink(draft);
  return readFile(path, 'utf8');
}

/** Resolves when the file is synced to disk. */
async function writePrivate(path: string, content: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}
