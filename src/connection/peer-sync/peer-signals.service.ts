import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Background } from '../../platform/background/index.js';
import { AnonymizerRedis } from '../../platform/redis/index.js';
import { type Placement } from '../connection.js';
import { WakeUp } from './wake-up.js';

const changedChannel = 'peers:changed';
const activeChannel = 'peers:active';

type Listener<T> = (items: readonly T[]) => void;

interface Message<T> {
  readonly from: string;
  readonly items: readonly T[];
}

/**
 * Hastens what the rows already say: that a node has something to apply, and that a node has applied it. This process hears
 * at once, other replicas through Redis, in batches. Nothing depends on it: a signal that is lost costs a poll's delay.
 */
@Injectable()
export class PeerSignalsService {
  private readonly me = randomUUID();
  private readonly changed: Channel<string>;
  private readonly active: Channel<Placement>;

  constructor(
    private readonly redis: AnonymizerRedis,
    background: Background,
  ) {
    const publish = async (channel: string, items: readonly unknown[]) => {
      await redis.client.publish(channel, JSON.stringify({ from: this.me, items }));
    };
    this.changed = new Channel((items) => publish(changedChannel, items));
    this.active = new Channel((items) => publish(activeChannel, items));
    background.add({ start: () => this.listen() });
  }

  /** Something is to be applied on these nodes. */
  nodesChanged(...nodeIds: readonly string[]): void {
    this.changed.say(nodeIds);
  }

  onNodesChanged(listener: Listener<string>): void {
    this.changed.listeners.push(listener);
  }

  /** These connections have become active. */
  nowActive(placements: readonly Placement[]): void {
    this.active.say(placements);
  }

  onNowActive(listener: Listener<Placement>): void {
    this.active.listeners.push(listener);
  }

  private listen(): void {
    const subscriber = this.redis.subscriber();
    subscriber.on('message', (channel: string, text: string) => {
      const message = parse(text);
      if (message === undefined || message.from === this.me) return;
      (channel === changedChannel ? this.changed : this.active).tell(message.items);
    });
    // Restored by the client when Redis comes back; until then the polls carry on alone.
    subscriber.subscribe(changedChannel, activeChannel).catch(() => undefined);
  }
}

/** Undefined for what no version of this service says: a listener that throws would end the process. */
function parse(text: string): Message<never> | undefined {
  try {
    const message = JSON.parse(text) as Message<never> | null;
    return Array.isArray(message?.items) && message.items.every(isNamed) ? message : undefined;
  } catch {
    return undefined;
  }
}

const isNamed = (item: unknown) => typeof item === 'string' || (typeof item === 'object' && item !== null);

class Channel<T> {
  readonly listeners: Listener<T>[] = [];
  private readonly outgoing: WakeUp<T>;

  constructor(send: (items: readonly T[]) => Promise<void>) {
    this.outgoing = new WakeUp(
      (items) => send([...items]),
      () => undefined,
    );
  }

  say(items: readonly T[]): void {
    if (items.length === 0) return;
    this.tell(items);
    this.outgoing.mark(...items);
  }

  tell(items: readonly T[]): void {
    for (const listener of this.listeners) listener(items);
  }
}
