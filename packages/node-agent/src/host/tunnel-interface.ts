import { setTimeout } from 'node:timers/promises';
import { Child } from '../child.js';
import { type Run } from '../command.js';

export interface InterfaceSettings {
  /** At most 15 characters. */
  readonly name: string;
  /** With prefix lengths. */
  readonly addresses: readonly string[];
  readonly mtu: number;
  readonly listenPort: number;
  readonly privateKeyFile: string;
  /** Standard base64. */
  readonly publicKey: string;
}

const startTimeoutMs = 10_000;

/**
 * The WireGuard interface: the kernel's, else wireguard-go's. An existing interface is taken over with its peers and their
 * sessions, so that a crash of this process interrupts no session.
 */
export class TunnelInterface {
  #userspace: Child | undefined;

  constructor(
    private readonly run: Run,
    private readonly settings: InterfaceSettings,
    /** Called when wireguard-go has ended unexpectedly, which removes the interface. */
    private readonly onLost: () => void,
  ) {}

  /** Sets up the interface, changing only what differs. @throws {CommandError | Error} */
  async ensure(ipv6: boolean): Promise<void> {
    const { name, mtu, addresses } = this.settings;
    if (!(await this.#isResponding())) await this.#create();
    await this.#configure();
    for (const address of addresses) {
      if (!address.includes(':')) await this.#ip('address', 'replace', address, 'dev', name);
      else if (ipv6) await this.#ip('address', 'replace', address, 'dev', name, 'nodad');
    }
    await this.#ip('link', 'set', 'dev', name, 'mtu', String(mtu), 'up');
  }

  async remove(): Promise<void> {
    const child = this.#userspace;
    this.#userspace = undefined;
    if (child?.running) return child.stop();
    if (await this.#exists()) await this.#ip('link', 'delete', 'dev', this.settings.name);
  }

  async #create(): Promise<void> {
    const { name } = this.settings;
    if (await this.#exists()) {
      throw new Error(`the interface ${name} exists already and is not WireGuard's`);
    }
    try {
      await this.#ip('link', 'add', 'dev', name, 'type', 'wireguard');
    } catch {
      await this.#startUserspace(name);
    }
  }

  async #startUserspace(name: string): Promise<void> {
    const child = new Child('wireguard-go', ['-f', name]);
    const deadline = performance.now() + startTimeoutMs;
    while (!(await this.#isResponding())) {
      if (!child.running) throw new Error('neither the kernel nor wireguard-go can create a WireGuard interface');
      if (performance.now() > deadline) {
        await child.stop();
        throw new Error('wireguard-go does not answer');
      }
      await Promise.race([child.ended, setTimeout(20)]);
    }
    this.#userspace = child;
    void child.ended.then(() => {
      if (this.#userspace === child) this.onLost();
    });
  }

  /** Sets only what differs, because setting a value again would reopen the socket. */
  async #configure(): Promise<void> {
    const { name, publicKey, privateKeyFile, listenPort } = this.settings;
    if ((await this.#show('public-key')) !== publicKey) {
      await this.run('wg', ['set', name, 'private-key', privateKeyFile], { confidential: true });
    }
    if ((await this.#show('listen-port')) !== String(listenPort)) {
      await this.run('wg', ['set', name, 'listen-port', String(listenPort)]);
    }
  }

  async #show(what: 'public-key' | 'listen-port'): Promise<string> {
    return (await this.run('wg', ['show', this.settings.name, what])).trim();
  }

  async #isResponding(): Promise<boolean> {
    return succeeds(this.#show('listen-port'));
  }

  async #exists(): Promise<boolean> {
    return succeeds(this.#ip('link', 'show', 'dev', this.settings.name));
  }

  async #ip(...args: string[]): Promise<void> {
    await this.run('ip', args);
  }
}

async function succeeds(attempt: Promise<unknown>): Promise<boolean> {
  return attempt.then(
    () => true,
    () => false,
  );
}
