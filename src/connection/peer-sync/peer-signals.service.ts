import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Background } from '../../platform/background/index.js';
import { AnonymizerRedis } from '../../platform/redis/index.js';
import { type Placement } from '../connection.js';
import { CoalescingQueue } from './coalescing-queue.js';

const changedChannel = 'peers:changed';
const activeChannel = 'peers:active';

type Listener<T> = (items: readonly T[]) => void;

interface Message<T> {
  readonly from: string;
  readonly items: readonly T[];
}

/**
 * Notifies all replicas that nodes have changes to apply, or that nodes have applied them. Listeners in this process are
 * called at once; other replicas get batches through Redis. Signals only save time: the rows are the truth, and after a lost
 * signal the next poll finds the change.
 */
@Injectable()
export class PeerSignalsService {
  private readonly instanceId = randomUUID();
  private readonly changed: Channel<string>;
  private readonly active: Channel<Placement>;

  constructor(
    private readonly redis: AnonymizerRedis,
    background: Background,
  ) {
    const publish = async (channel: string, items: readonly unknown[]) => {
      await redis.client.publish(channel, JSON.stringify({ from: this.instanceId, items }));
    };
    this.changed = new Channel((items) => publish(changedChannel, items));
    this.active = new Channel((items) => publish(activeChannel, items));
    background.add({ start: () => this.listen() });
  }

  /** Signals that these nodes have changes to apply. */
  nodesChanged(...nodeIds: readonly string[]): void {
    this.changed.publish(nodeIds);
  }

  onNodesChanged(listener: Listener<string>): void {
    this.changed.listeners.push(listener);
  }

  /** Signals that these placements have become active. */
  nowActive(placements: readonly Placement[]): void {
    this.active.publish(placements);
  }

  onNowActive(listener: Listener<Placement>): void {
    this.active.listeners.push(listener);
  }

  private listen(): void {
    const subscriber = this.redis.subscriber();
    subscriber.on('message', (channel: string, text: string) => {
      const message = parse(text);
      if (message === undefined || message.from === this.instanceId) return;
      (channel === changedChannel ? this.changed : this.active).notifyListeners(message.items);
    });
    // The client subscribes again when Redis is back. Until then, the polls find the changes.
    subscriber.subscribe(changedChannel, activeChannel).catch(() => undefined);
  }
}

/** Undefined for a malformed message: a listener that throws would end the process. */
function parse(text: string): Message<never> | undefined {
  try {
    const message = JSON.parse(text) as Message<never> | null;
    return Array.isArray(message?.items) && message.items.every(isItem) ? message : undefined;
  } catch {
    return undefined;
  }
}

const isItem = (item: unknown) => typeof item === 'string' || (typeof item === 'object' && item !== null);

class Channel<T> {
  readonly listeners: Listener<T>[] = [];
  private readonly outgoing: CoalescingQueue<T>;

  constructor(send: (items: readonly T[]) => Promise<void>) {
    this.outgoing = new CoalescingQueue(
      (items) => send([...items]),
      () => undefined,
    );
  }

  publish(items: readonly T[]): void {
    if (items.length === 0) return;
    this.notifyListeners(items);
    this.outgoing.add(...items);
  }

  notifyListeners(items: readonly T[]): void {
    for (const listener of this.listeners) listener(items);
  }
}
