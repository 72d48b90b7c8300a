import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { type Protocol } from './wire-protocols.js';

/** `before`: the server has not received the statement. `after`: the server has executed it, and the client has no answer. */
export type Moment = 'before' | 'after';

/** A connection that the proxy holds at a statement. It queues all further data, in both directions. */
export interface HeldConnection {
  /** Forwards the queued data and stops holding the connection. */
  release(): void;
  /** Closes the connection and drops the queued data. */
  cut(): void;
}

interface Rule {
  readonly moment: Moment;
  readonly matches: RegExp;
  readonly reached: (held: HeldConnection) => void;
}

/**
 * A TCP proxy between a client and a server that can hold a connection before or after a given statement. A test can thus kill
 * a process exactly there, rather than at a random moment.
 */
export class HoldingProxy {
  private readonly connections = new Set<ProxiedConnection>();
  private rules: Rule[] = [];
  private isFrozen = false;
  private nextTarget = 0;
  /** How many connections were refused because no server accepted them. */
  refusedConnections = 0;

  private constructor(
    private readonly server: Server,
    private targets: readonly number[],
    private readonly protocol: () => Protocol,
  ) {
    server.on('connection', (client: Socket) => {
      client.on('error', () => undefined);
      this.forward(client);
    });
  }

  /** @param targets ports of 127.0.0.1, which take turns at new connections */
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

  /** The same URL with the host and port of this proxy. */
  through(url: string): string {
    const changed = new URL(url);
    changed.host = `127.0.0.1:${this.port}`;
    return changed.href;
  }

  /** Holds the next connection that sends a matching statement. Resolves when the statement has reached this moment. */
  async hold(moment: Moment, matches: RegExp): Promise<HeldConnection> {
    return new Promise((reached) => this.rules.push({ moment, matches, reached }));
  }

  /** Forwards new connections to these ports. Existing connections stay open. */
  setTargets(...targets: readonly number[]): void {
    this.targets = targets;
  }

  /** Forwards new connections to this port and closes all existing ones. */
  switchTo(target: number): void {
    this.setTargets(target);
    for (const connection of this.connections) connection.cut();
  }

  /** Keeps existing and new connections open but forwards no data, like a network that drops all packets. */
  freeze(): void {
    this.isFrozen = true;
    for (const connection of this.connections) connection.hold();
  }

  /** Forwards the data of new connections again. Connections that were frozen stay dead, and neither end is notified. */
  thaw(): void {
    this.isFrozen = false;
  }

  async stop(): Promise<void> {
    for (const connection of this.connections) connection.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  /** Connects a client to the next target that accepts it. */
  private forward(client: Socket, attempts = this.targets.length): void {
    const server = connect(this.targets[this.nextTarget++ % this.targets.length] ?? 0, '127.0.0.1');
    const refused = () => {
      if (attempts > 1) return this.forward(client, attempts - 1);
      this.refusedConnections += 1;
      client.destroy();
    };
    server.once('error', refused);
    server.once('connect', () => {
      server.off('error', refused);
      const connection = new ProxiedConnection(client, server, this.protocol(), (text) => this.takeRule(text));
      this.connections.add(connection);
      if (this.isFrozen) connection.hold();
      client.once('close', () => this.connections.delete(connection));
    });
  }

  private takeRule(text: string): Rule | undefined {
    const found = this.rules.find(({ matches }) => matches.test(text));
    this.rules = this.rules.filter((rule) => rule !== found);
    return found;
  }
}

/** A client's connection to the proxy and the proxy's connection to the server. */
class ProxiedConnection implements HeldConnection {
  private isHeld = false;
  private queue: (() => void)[] = [];
  /** How many requests were sent and how many answers were completed. They show which answer belongs to a request. */
  private requests = 0;
  private answers = 0;
  /** Hold the connection after the answer with this number. */
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
      // When one end is killed, the other end's connection closes too.
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
    const { text, expectsAnswer } = this.protocol.read(frame);
    const rule = text === undefined || this.isHeld ? undefined : this.ruleFor(text);
    if (rule?.moment === 'after') this.matched = rule;
    if (expectsAnswer) this.requests += 1;
    if (expectsAnswer && this.matched !== undefined) {
      this.holdAfter = { answer: this.requests, rule: this.matched };
      this.matched = undefined;
    }
    if (rule?.moment === 'before') this.holdAt(rule);
    this.write(this.server, frame);
  }

  private toClient(frame: Buffer): void {
    const isMatched = this.holdAfter?.answer === this.answers + 1;
    if (this.protocol.endsAnswer(frame)) this.answers += 1;
    // The client must not receive even the first frame of this answer.
    if (isMatched) this.isHeld = true;
    this.write(this.client, frame);
    if (isMatched && this.holdAfter?.answer === this.answers) this.holdAt(this.holdAfter.rule);
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

/** Calls `handle` for each complete frame that the socket receives. */
function onFrames(
  socket: Socket,
  lengthOf: (bytes: Buffer) => number | undefined,
  handle: (frame: Buffer) => void,
): void {
  let buffer: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
    for (let length = lengthOf(buffer); length !== undefined && length > 0; length = lengthOf(buffer)) {
      handle(buffer.subarray(0, length));
      buffer = buffer.subarray(length);
    }
  });
}
