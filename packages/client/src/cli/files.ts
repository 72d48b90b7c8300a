import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** The folder of the command's files: `VPN_HOME`, or `vpn` in the platform's configuration folder. */
export function homeFolder(env: Readonly<Record<string, string | undefined>>): string {
  if (env['VPN_HOME']) return env['VPN_HOME'];
  const base = env['XDG_CONFIG_HOME'] ?? env['APPDATA'] ?? join(homedir(), '.config');
  return join(base, 'vpn');
}

/** Writes a file atomically. Only its owner can read it. */
export async function writePrivately(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${crypto.randomUUID()}`;
  try {
    await writeFile(draft, text, { mode: 0o600, flag: 'wx' });
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

/** @returns undefined when there is no such file */
export async function readJson<T>(path: string): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  return JSON.parse(text) as T;
}

/** Whether an error has this code of the file system, such as `ENOENT`. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

export async function remove(path: string): Promise<void> {
  await rm(path, { force: true });
}
