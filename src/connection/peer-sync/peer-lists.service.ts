import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Clock } from '../../platform/config/index.js';
import { ConnectionSecretsService } from '../connection-secrets.service.js';
import { OutboxStore, type PeerRow } from './outbox.store.js';
import { describePeer, describeRemoval } from './peers.schema.js';

/** Rows per page. A full node's list is 20 MB, and other requests must not wait for it. */
const pageRows = 500;

const unknownKeys = new Counter({
  name: 'peers_without_key_total',
  help: 'Peers omitted from a list because NETWORK_SECRET_KEY was changed without setting NETWORK_SECRET_KEY_PREVIOUS.',
});

/** Renders peers as the node protocol describes them. */
@Injectable()
export class PeerListsService {
  constructor(
    private readonly outbox: OutboxStore,
    private readonly secrets: ConnectionSecretsService,
    private readonly clock: Clock,
  ) {}

  /**
   * Yields all peers that a node must have, as the JSON of `peerList` in chunks, without a line break. The rows are read page
   * by page: a row that changes in between is in the outbox, so it is sent after the list. `complete` comes last. It is false
   * when a peer had to be left out because its key is not configured; then the node keeps peers that are not in the list.
   */
  async *json(nodeId: string): AsyncGenerator<string> {
    let complete = true;
    let separator = '{"peers":[';
    for await (const rows of this.pages(nodeId)) {
      let text = '';
      for (const row of rows) {
        const peer = this.describe(row);
        if (peer === undefined) {
          complete = false;
          continue;
        }
        text += separator + JSON.stringify(peer);
        separator = ',';
      }
      if (text !== '') yield text;
    }
    yield `${separator === ',' ? '' : separator}],"complete":${complete}}`;
  }

  /** The same as a stream. Reads the first chunk before it resolves, so that a database outage is an error response. */
  async stream(nodeId: string): Promise<Readable> {
    const chunks = this.json(nodeId);
    const first = await chunks.next();
    return Readable.from(
      (async function* () {
        if (first.done !== true) yield first.value;
        yield* chunks;
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
