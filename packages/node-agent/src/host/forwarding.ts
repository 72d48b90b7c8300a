import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const v4 = 'net/ipv4/ip_forward';
const v6 = 'net/ipv6/conf/all/forwarding';

/**
 * Has the kernel forward packets. What was set otherwise before is written down, so that it can be put back, also by the next
 * run after a crash; not after a reboot, which has put it back already.
 */
export class Forwarding {
  constructor(
    private readonly uplink: string,
    /** Holds the former values. It must outlive the process, and may outlive the boot. */
    private readonly file: string,
    private readonly root = '/proc/sys',
  ) {}

  /** Whether this machine speaks IPv6 at all. */
  async hasIpv6(): Promise<boolean> {
    return (await this.#read('net/ipv6/conf/all/disable_ipv6')) === '0';
  }

  async ensure(): Promise<void> {
    await this.#set(v4, '1');
    if (!(await this.hasIpv6())) return;
    // A router ignores other routers' advertisements, and would lose its own address and route when they run out.
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
    // The first value found is the one from before.
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
      throw new Error(`cannot set ${name.replaceAll('/', '.')} to ${value}: set it in /etc/sysctl.d, or allow it`);
    }
  }
}
