import { type Run } from '../command.js';
import { type Firewall } from './firewall.js';
import { type Forwarding } from './forwarding.js';
import { type TunnelInterface } from './tunnel-interface.js';

/**
 * What this machine must be for peers to have a tunnel: an interface, a firewall, forwarding. `ensure` makes it so and may be
 * called at any time: at the start, after a crash, once a minute, after somebody else has flushed all rules.
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

  /** As far as it is known. */
  get up(): boolean {
    return this.#up;
  }

  /** The firewall first and forwarding last: no packet is forwarded that no rule has seen. */
  ensure(): Promise<void> {
    return this.#inTurn(async () => {
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

  /** Takes everything down that `ensure` has made, and forgets where peers have been. Goes on after a failure. */
  remove(): Promise<void> {
    return this.#inTurn(async () => {
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
      // Ends with 1 when there was none.
      await this.run('conntrack', ['-D', '-f', family, '-s', network], { confidential: true }).catch(() => '');
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
