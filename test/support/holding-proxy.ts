import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { type Protocol } from './wire-protocols.js';

/** `before`: the statement has not reached the store. `after`: it is done, and its answer has not come back. */
export type Moment = 'before' | 'after';

/** A connection that stands still at a statement: what else is said on it, either way, waits. */
export interface HeldConnection {
  /** Lets everything that waits go on. */
  release(): void;
  /** Breaks the connection; what waits is lost. */
  cut(): void;
}

interface Rule {
  readonly moment: Moment;
  readonly matches: RegExp;
  readonly reached: (held: HeldConnection) => void;
}

/**
 * Stands between a client and a server, and stops the world at a statement: so that a test can kill a process exactly
 * there, rather than hope to.
 */
export class HoldingProxy {
  private readonly links = new Set<Link>();
  private rules: Rule[] = [];
  private isFrozen = false;
  private nextTarget = 0;
  /** How many connections found no server. */
  refusedConnections = 0;

  private constructor(
    private readonly server: Server,
    private targets: readonly number[],
    private readonly protocol: () => Protocol,
  ) {
    server.on('connection', (client: Socket) => {
      client.on('error', () => undefined);
      this.link(client);
    });
  }

  /** @param targets ports of 127.0.0.1, each of which gets every so manieth connection */
  static async start(targets: readonly number[], protocol: () => Protocol): Promise<HoldingProxy> {
    const server = createServer();
    const proxy = new HoldingProxy(server, targets, protocol);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The same URL, by way of this proxy. */
  through(url: string): string {
    const changed = new URL(url);
    changed.host = `127.0.0.1:${this.port}`;
    return changed.href;
  }

  /** Resolves when the next statement that matches has come to this moment; its connection stands still then. */
  async hold(moment: Moment, matches: RegExp): Promise<HeldConnection> {
    return new Promise((reached) => this.rules.push({ moment, matches, reached }));
  }

  /** From now on to these ports; connections there are go on as they are. */
  setTargets(...targets: readonly number[]): void {
    this.targets = targets;
  }

  /** From now on to this port: connections there are break. */
  switchTo(target: number): void {
    this.setTargets(target);
    for (const link of this.links) link.cut();
  }

  /** Connections stay open, new ones too, and nothing comes through: what a network that is gone looks like. */
  freeze(): void {
    this.isFrozen = true;
    for (const link of this.links) link.hold();
  }

  /** New connections work again. Those that stood still are dead, and nobody has said so to their ends. */
  thaw(): void {
    this.isFrozen = false;
  }

  async stop(): Promise<void> {
    for (const link of this.links) link.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  /** To the next of the servers that takes it. */
  private link(client: Socket, tries = this.targets.length): void {
    const server = connect(this.targets[this.nextTarget++ % this.targets.length] ?? 0, '127.0.0.1');
    const refused = () => {
      if (tries > 1) return this.link(client, tries - 1);
      this.refusedConnections += 1;
      client.destroy();
    };
    server.once('error', refused);
    server.once('connect', () => {
      server.off('error', refused);
      const link = new Link(client, server, this.protocol(), (text) => this.takeRule(text));
      this.links.add(link);
      if (this.isFrozen) link.hold();
      client.once('close', () => this.links.delete(link));
    });
  }

  private takeRule(text: string): Rule | undefined {
    const found = this.rules.find(({ matches }) => matches.test(text));
    this.rules = this.rules.filter((rule) => rule !== found);
    return found;
  }
}

/** One connection through the proxy. */
class Link implements HeldConnection {
  private isHeld = false;
  private queue: (() => void)[] = [];
  private requests = 0;
  private answers = 0;
  /** Stop after the answer with this number. */
  private holdAfter: { readonly answer: number; readonly rule: Rule } | undefined;
  private matched: Rule | undefined;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    private readonly protocol: Protocol,
    private readonly ruleFor: (text: string) => Rule | undefined,
  ) {
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      // Either end may be killed; the other is told by the connection's end.
      socket.on('error', () => undefined);
      socket.once('close', () => this.cut());
    }
    onFrames(
      client,
      (bytes) => protocol.requestLength(bytes),
      (frame) => this.toServer(frame),
    );
    onFrames(
      server,
      (bytes) => protocol.answerLength(bytes),
      (frame) => this.toClient(frame),
    );
  }

  hold(): void {
    this.isHeld = true;
  }

  release(): void {
    this.isHeld = false;
    for (const write of this.queue.splice(0)) write();
  }

  cut(): void {
    this.client.destroy();
    this.server.destroy();
  }

  private toServer(frame: Buffer): void {
    const { text, expectsAnswer: asks } = this.protocol.read(frame);
    const rule = text === undefined || this.isHeld ? undefined : this.ruleFor(text);
    if (rule?.moment === 'after') this.matched = rule;
    if (asks) this.requests += 1;
    if (asks && this.matched !== undefined) {
      this.holdAfter = { answer: this.requests, rule: this.matched };
      this.matched = undefined;
    }
    if (rule?.moment === 'before') this.holdAt(rule);
    this.write(this.server, frame);
  }

  private toClient(frame: Buffer): void {
    const awaited = this.holdAfter?.answer === this.answers + 1;
    if (this.protocol.endsAnswer(frame)) this.answers += 1;
    // Not even the beginning of the answer comes through.
    if (awaited) this.isHeld = true;
    this.write(this.client, frame);
    if (awaited && this.holdAfter?.answer === this.answers) this.holdAt(this.holdAfter.rule);
  }

  private holdAt(rule: Rule): void {
    this.isHeld = true;
    rule.reached(this);
  }

  private write(socket: Socket, frame: Buffer): void {
    if (this.isHeld) this.queue.push(() => socket.write(frame));
    else socket.write(frame);
  }
}

function onFrames(
  socket: Socket,
  lengthOf: (bytes: Buffer) => number | undefined,
  take: (frame: Buffer) => void,
): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let length = lengthOf(rest); length !== undefined && length > 0; length = lengthOf(rest)) {
      take(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
  });
}
