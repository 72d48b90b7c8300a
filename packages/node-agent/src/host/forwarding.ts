import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const v4 = 'net/ipv4/ip_forward';
const v6 = 'net/ipv6/conf/all/forwarding';

/**
 * Makes the kernel forward packets. Former values of changed settings are stored in a file, so that they can be restored, also
 * by the next run after a crash. They are ignored after a reboot, which resets the settings itself.
 */
export class Forwarding {
  constructor(
    private readonly uplink: string,
    /** Stores the former values. It must outlive the process. */
    private readonly file: string,
    private readonly root = '/proc/sys',
  ) {}

  /** Whether IPv6 is enabled on this machine. */
  async hasIpv6(): Promise<boolean> {
    return (await this.#read('net/ipv6/conf/all/disable_ipv6')) === '0';
  }

  async ensure(): Promise<void> {
    await this.#set(v4, '1');
    if (!(await this.hasIpv6())) return;
    // A machine that forwards ignores router advertisements unless accept_ra is 2, and would lose its address and route.
    const advertisements = `net/ipv6/conf/${this.uplink}/accept_ra`;
    if ((await this.#read(advertisements)) === '1') await this.#set(advertisements, '2');
    await this.#set(v6, '1');
  }

  async restore(): Promise<void> {
    for (const [name, value] of Object.entries(await this.#former()).reverse()) await this.#write(name, value);
    await rm(this.file, { force: true });
  }

  async #set(name: string, value: string): Promise<void> {
    const found = await this.#read(name);
    if (found === value || found === undefined) return;
    const former = await this.#former();
    // Only the first value found is the original one.
    if (former[name] === undefined) {
      const known = { boot: await this.#boot(), former: { ...former, [name]: found } };
      await writeFile(this.file, JSON.stringify(known), { mode: 0o600 });
    }
    await this.#write(name, value);
  }

  async #former(): Promise<Record<string, string>> {
    try {
      const known = JSON.parse(await readFile(this.file, 'utf8')) as { boot: string; former: Record<string, string> };
      return known.boot === (await this.#boot()) ? known.former : {};
    } catch {
      return {};
    }
  }

  async #boot(): Promise<string> {
    return (await this.#read('kernel/random/boot_id')) ?? '';
  }

  async #read(name: string): Promise<string | undefined> {
    return readFile(join(this.root, name), 'utf8').then(
      (text) => text.trim(),
      () => undefined,
    );
  }

  async #write(name: string, value: string): Promise<void> {
    try {
      await writeFile(join(this.root, name), value);
    } catch {
      throw new Error(
        `cannot set ${name.replaceAll('/', '.')} to ${value}: set it in /etc/sysctl.d, or permit writing it`,
      );
    }
  }
}
