import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BackendError } from '../backend.js';
import { commandRunner, type Run } from '../command.js';
import { type Registration } from '../credentials.js';
import { Resolver } from '../dns/resolver.js';
import { Firewall } from '../host/firewall.js';
import { Forwarding } from '../host/forwarding.js';
import { Host } from '../host/host.js';
import { TunnelInterface } from '../host/tunnel-interface.js';
import { NodeAgent } from '../node-agent.js';
import { backoffMs, jittered, systemTiming, type Timing } from '../timing.js';
import { WireguardDriver } from '../wireguard/wireguard-driver.js';
import { withAbortController } from '../with-abort-controller.js';
import { type NodeConfig } from './config.js';
import { RepairingDriver } from './repairing-driver.js';
import { type Log } from './log.js';
import { NodeMeter } from './meter.js';
import { ensurePrivateKey, FileCredentialStore } from './private-files.js';
import { StatusSocket } from './status-socket.js';
import { version } from './version.js';

const maintenanceIntervalMs = 60_000;

/**
 * One VPN node: host, resolver and agent, started in this order and stopped in reverse. The node accepts connections only
 * while host and resolver work.
 */
export class Daemon {
  readonly #timing: Timing = systemTiming;
  readonly #stopping = new AbortController();
  readonly #run: Run;
  #agent: NodeAgent | undefined;
  #host: Host | undefined;
  #resolver: Resolver | undefined;
  #socket: StatusSocket | undefined;
  #starting: Promise<void> | undefined;
  #maintenance: Promise<void> | undefined;
  #repairing: Promise<void> | undefined;
  readonly #startedAt = Date.now();

  constructor(
    private readonly config: NodeConfig,
    private readonly log: Log,
  ) {
    this.#run = commandRunner(config.RUNTIME_DIR);
  }

  /** @throws {Error} for what only the operator can fix: a refused enrolment, an unreadable key, another running daemon */
  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { RUNTIME_DIR, STATE_DIR, statusSocket } = this.config;
    for (const folder of [STATE_DIR, RUNTIME_DIR]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await chmod(folder, 0o700);
    }
    this.#socket = await StatusSocket.open(statusSocket, (request) => {
      if (request === 'drain') this.stopAccepting();
      return this.status();
    });
    const publicKey = await ensurePrivateKey(this.config.privateKeyFile);
    const agent = await this.#enrol(publicKey);
    if (agent === undefined) return;
    this.#agent = agent;
    this.#host = this.#createHost(agent, publicKey);
    this.#resolver = this.#createResolver(agent);
    await this.#host.ensure();
    // A failure must not end tunnels that have survived a crash. The node accepts no connections until a repair succeeds.
    await this.#resolver
      .ensure()
      .catch((error: unknown) => this.log('error', `the resolver did not start: ${reasonOf(error)}`));
    if (this.#stopping.signal.aborted) return;
    agent.start();
    this.#maintenance = this.#runMaintenance();
    void agent.whenSynced().then(() => this.log('info', 'serving', { peers: agent.status().peers }));
  }

  /** Runs maintenance at once instead of at the next minute. */
  async reload(): Promise<void> {
    await this.#repair();
    this.#agent?.reconcile();
  }

  /** Accepts no new connections until a restart; existing ones stay. */
  stopAccepting(): void {
    if (this.#agent === undefined || this.#agent.status().leaving) return;
    this.log('info', 'accepting no new connections', { peers: this.#agent.status().peers });
    void this.#agent.leave();
  }

  /** Accepts no new connections. Resolves when the last peer is gone, after DRAIN_S seconds, or when `skip` aborts. */
  async drain(skip: AbortSignal): Promise<void> {
    const agent = this.#agent;
    if (agent === undefined || agent.status().link === 'stopped') return;
    this.log('info', 'draining', { peers: agent.status().peers, deadline_s: this.config.DRAIN_S });
    await withAbortController({ signal: skip, timeoutMs: this.config.DRAIN_S * 1000 }, async ({ signal: deadline }) => {
      const over = new Promise<void>((resolve) => deadline.addEventListener('abort', () => resolve(), { once: true }));
      await Promise.race([agent.leave(), over]);
      while (!deadline.aborted && agent.status().peers > 0) await this.#timing.sleep(200, deadline);
    });
  }

  /** Stops everything and restores the machine's former state. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#starting?.catch(() => undefined);
    await this.#agent?.stop();
    await this.#maintenance;
    await this.#resolver?.stop();
    await this.#host?.remove().catch((error: unknown) => this.log('error', `cleaning up failed: ${reasonOf(error)}`));
    await this.#socket?.close();
    this.log('info', 'stopped');
  }

  /** Only counts and times: no key, no address. */
  status(): object {
    return {
      version,
      startedAt: this.#startedAt,
      interface: this.config.INTERFACE,
      hostUp: this.#host?.up ?? false,
      resolverUp: this.#resolver?.running ?? false,
      resolverCrashes: this.#resolver?.crashes ?? 0,
      capacity: this.config.CAPACITY,
      ...(this.#agent === undefined ? { link: 'enrolling' } : { node: this.#agent.node.id, ...this.#agent.status() }),
    };
  }

  /** Retries while the backend cannot be reached. @throws {BackendError} when the backend refuses */
  async #enrol(publicKey: string): Promise<NodeAgent | undefined> {
    const { config } = this;
    const { signal } = this.#stopping;
    const credentials = new FileCredentialStore(config.credentialFile);
    const isKnown = (await credentials.load())?.registered.publicKey === publicKey;
    if (!isKnown && config.ENROLMENT_TOKEN === undefined) {
      throw new Error('This server is not registered as a node yet. Set VPN_NODE_ENROLMENT_TOKEN for the first start.');
    }
    const driver = new RepairingDriver(new WireguardDriver(this.#run, config.INTERFACE), () => this.#repair());
    const meter = new NodeMeter({
      interfaceName: config.INTERFACE,
      uplink: config.UPLINK,
      linkMbit: config.LINK_MBIT,
      capacity: config.CAPACITY,
      peers: () => this.#agent?.status().peers ?? 0,
    });
    const options = {
      backendUrl: config.BACKEND_URL,
      enrolmentToken: config.ENROLMENT_TOKEN ?? '',
      node: registrationOf(config, publicKey),
      credentials,
      driver,
      meter,
      fit: () => (this.#host?.up ?? false) && (this.#resolver?.running ?? false),
      timing: this.#timing,
    };
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        return await NodeAgent.enrol(options);
      } catch (error) {
        if (!(error instanceof BackendError) || error.isFinal) throw error;
        if (attempt === 0) this.log('warn', `registration failed and will be retried: ${error.message}`);
        await this.#timing.sleep(Math.max(error.retryAfterMs, backoffMs(attempt, this.#timing)), signal);
      }
    }
    return undefined;
  }

  #createHost({ node }: NodeAgent, publicKey: string): Host {
    const { INTERFACE, UPLINK, PORT, STATE_DIR, BLOCKED_NETWORKS, privateKeyFile } = this.config;
    const { addresses, resolvers, mtu } = node.interface;
    const resolverAddresses = Object.values(resolvers).flat();
    const interfaceAddresses = [
      ...addresses,
      ...resolverAddresses.map((address) => `${address}/${address.includes(':') ? 128 : 32}`),
    ];
    const link = new TunnelInterface(
      this.#run,
      { name: INTERFACE, addresses: interfaceAddresses, mtu, listenPort: PORT, privateKeyFile, publicKey },
      () => void this.#repair().then(() => this.#agent?.reconcile()),
    );
    const rules = {
      interfaceName: INTERFACE,
      uplink: UPLINK,
      addresses,
      resolvers: resolverAddresses,
      blockedNetworks: BLOCKED_NETWORKS,
    };
    const firewall = new Firewall(this.#run, rules, () => void this.#repair());
    const forwarding = new Forwarding(UPLINK, join(STATE_DIR, 'forwarding.json'));
    return new Host(this.#run, { link, firewall, forwarding }, addresses);
  }

  #createResolver({ node }: NodeAgent): Resolver {
    const { RUNTIME_DIR, BLOCKED_NETWORKS } = this.config;
    const { DNS_ADS: ads, DNS_TRACKERS_MALWARE: trackersMalware, DNS_FORWARD_TO: forwardTo } = this.config;
    const lists = { ...(ads && { ads }), ...(trackersMalware && { trackers_malware: trackersMalware }) };
    const tunnel = node.interface;
    const options = { tunnel, folder: join(RUNTIME_DIR, 'dns'), lists, forwardTo, blockedNetworks: BLOCKED_NETWORKS };
    return new Resolver(this.#run, options, this.#timing);
  }

  async #runMaintenance(): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await this.#timing.sleep(jittered(maintenanceIntervalMs, this.#timing), signal);
      if (signal.aborted) return;
      await this.#repair();
    }
  }

  /** Repairs host and resolver. Concurrent calls share one repair. */
  #repair(): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve();
    this.#repairing ??= this.#repairOnce().finally(() => (this.#repairing = undefined));
    return this.#repairing;
  }

  async #repairOnce(): Promise<void> {
    try {
      await this.#host?.ensure();
      await this.#resolver?.ensure();
    } catch (error) {
      this.log('error', `setting up the host failed: ${reasonOf(error)}`);
    }
  }
}

function registrationOf(config: NodeConfig, publicKey: string): Registration {
  return {
    publicKey,
    ip: config.PUBLIC_IP,
    ...(config.PUBLIC_IP_V6 && { ipV6: config.PUBLIC_IP_V6 }),
    port: config.PORT,
    locationId: config.LOCATION_ID,
    capacity: config.CAPACITY,
    agentVersion: version,
  };
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
