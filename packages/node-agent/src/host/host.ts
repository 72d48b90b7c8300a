import { type Run } from '../command.js';
import { type Firewall } from './firewall.js';
import { type Forwarding } from './forwarding.js';
import { type TunnelInterface } from './tunnel-interface.js';

/**
 * Sets up what peers need on this machine: interface, firewall, forwarding. `ensure` is idempotent: it is called at the start,
 * after a crash, once a minute, and after another program has flushed all rules.
 */
export class Host {
  #turn: Promise<void> = Promise.resolve();
  #up = false;

  constructor(
    private readonly run: Run,
    private readonly parts: { link: TunnelInterface; firewall: Firewall; forwarding: Forwarding },
    /** The tunnel's networks: any address with its prefix length. */
    private readonly networks: readonly string[],
  ) {}

  /** Whether the last `ensure` succeeded. */
  get up(): boolean {
    return this.#up;
  }

  /** The firewall comes first and forwarding last, so that no packet is forwarded without rules. */
  ensure(): Promise<void> {
    return this.#serialize(async () => {
      const { link, firewall, forwarding } = this.parts;
      try {
        await firewall.ensure();
        await link.ensure(await forwarding.hasIpv6());
        await forwarding.ensure();
        this.#up = true;
      } catch (error) {
        this.#up = false;
        throw error;
      }
    });
  }

  /** Removes all that `ensure` has set up, and the peers' entries in connection tracking. Continues after a failure. */
  remove(): Promise<void> {
    return this.#serialize(async () => {
      const { link, firewall, forwarding } = this.parts;
      this.#up = false;
      const steps = [
        () => forwarding.restore(),
        () => link.remove(),
        () => firewall.remove(),
        () => this.#forgetFlows(),
      ];
      const failures: unknown[] = [];
      for (const step of steps) await step().catch((error: unknown) => failures.push(error));
      if (failures.length > 0) throw failures[0];
    });
  }

  async #forgetFlows(): Promise<void> {
    for (const network of this.networks) {
      const family = network.includes(':') ? 'ipv6' : 'ipv4';
      // conntrack exits with 1 when there is no such entry.
      await this.run('conntrack', ['-D', '-f', family, '-s', network], { confidential: true }).catch(() => '');
    }
  }

  #serialize(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
