import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Clock } from '../../platform/config/index.js';
import { ConnectionSecretsService } from '../connection-secrets.service.js';
import { OutboxStore, type PeerRow } from './outbox.store.js';
import { describePeer, describeRemoval } from './peers.schema.js';

/** Rows read and described at a time: a full node's list is 20 MB, and other requests must not wait for it. */
const pageRows = 500;

const unknownKeys = new Counter({
  name: 'peers_without_key_total',
  help: 'Peers left out of a list because NETWORK_SECRET_KEY was changed without NETWORK_SECRET_KEY_PREVIOUS.',
});

/** Describes peers to nodes, as the protocol says it. */
@Injectable()
export class PeerListsService {
  constructor(
    private readonly outbox: OutboxStore,
    private readonly secrets: ConnectionSecretsService,
    private readonly clock: Clock,
  ) {}

  /**
   * Every peer that a node shall have, as the JSON of `peerList` in pieces, without a line break. Read page by page: a row
   * that changes in between is outstanding, so it is said after the list. `complete` comes last and is false when a peer
   * could not be described, because its key is not configured: the node then keeps what is not in the list.
   */
  async *json(nodeId: string): AsyncGenerator<string> {
    let complete = true;
    let before = '{"peers":[';
    for await (const rows of this.pages(nodeId)) {
      let text = '';
      for (const row of rows) {
        const peer = this.describe(row);
        if (peer === undefined) {
          complete = false;
          continue;
        }
        text += before + JSON.stringify(peer);
        before = ',';
      }
      if (text !== '') yield text;
    }
    yield `${before === ',' ? '' : before}],"complete":${complete}}`;
  }

  /** The same as a stream. Its first piece is there: a store that is away is an error, not an answer that breaks off. */
  async stream(nodeId: string): Promise<Readable> {
    const pieces = this.json(nodeId);
    const first = await pieces.next();
    return Readable.from(
      (async function* () {
        if (first.done !== true) yield first.value;
        yield* pieces;
      })(),
    );
  }

  /** Undefined when the row's key is not configured. */
  describe(row: PeerRow): object | undefined {
    if (row.status === 'ending') return describeRemoval(row);
    const presharedKey = this.secrets.presharedKey(row.id, row.salt, row.secretKeyId);
    if (presharedKey === undefined) unknownKeys.inc();
    return presharedKey && describePeer(row, presharedKey);
  }

  private async *pages(nodeId: string): AsyncGenerator<PeerRow[]> {
    const now = this.clock.now();
    let lastSlot = 0;
    for (let more = true; more;) {
      const rows = await this.outbox.peersOf(nodeId, now, lastSlot, pageRows);
      yield rows;
      lastSlot = rows.at(-1)?.slot ?? lastSlot;
      more = rows.length === pageRows;
    }
  }
}
