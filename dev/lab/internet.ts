import { addNamespace, connect, ip, type Namespace } from './namespaces.js';

interface Place {
  readonly v4: string;
  readonly v6: string;
  /** Its router's addresses. */
  readonly gateways: readonly [v4: string, v6: string];
}

/** A machine on the lab's Internet. Its uplink is eth0. */
export type Machine = Namespace & Place;

/**
 * The lab's Internet: one router between small networks in the documentation ranges (RFC 5737, RFC 3849). Every rule treats
 * them as public, and no real network uses them.
 */
export class Internet {
  #count = 0;

  private constructor(private readonly router: Namespace) {}

  static async open(): Promise<Internet> {
    const router = await addNamespace('internet');
    await router.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    return new Internet(router);
  }

  async add(name: string): Promise<Machine> {
    const namespace = await addNamespace(name);
    return { ...namespace, ...(await this.#join(namespace)) };
  }

  /** Connects the namespace of this process to the Internet too. */
  async join(): Promise<Place> {
    return this.#join(undefined);
  }

  async #join(of: Namespace | undefined): Promise<Place> {
    const number = ++this.#count;
    const [v4, v6] = [`203.0.113.${8 * number + 2}`, `2001:db8:${number}::2`];
    const gateways = [`203.0.113.${8 * number + 1}`, `2001:db8:${number}::1`] as const;
    await connect(
      { of, device: 'eth0', addresses: [`${v4}/29`, `${v6}/64`] },
      { of: this.router, device: `port${number}`, addresses: [`${gateways[0]}/29`, `${gateways[1]}/64`] },
    );
    await ip(of, 'route', 'add', 'default', 'via', gateways[0]);
    await ip(of, '-6', 'route', 'add', 'default', 'via', gateways[1]);
    return { v4, v6, gateways };
  }
}
