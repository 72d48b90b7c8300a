import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type RedemptionRequest, startAnonymizer, type TestAnonymizer } from '../support/anonymizer.js';
import { pulse, type TestNode, wireguardKey } from '../support/fleet.js';
import { query } from '../support/stack.js';
import { PlacementsService } from '../../src/connection/index.js';
import { OperatorLocationsService, NodeDirectoryService } from '../../src/nodes/index.js';

let anonymizer: TestAnonymizer;
let directory: NodeDirectoryService;
let request: RedemptionRequest;

beforeAll(async () => {
  anonymizer = await startAnonymizer();
  directory = anonymizer.service.app.get(NodeDirectoryService, { strict: false });
});

beforeEach(async () => {
  request = await anonymizer.request();
});

/** Each test uses its own nodes. */
afterEach(async () => {
  await query(anonymizer.stack.ownerUrl, `UPDATE network."Node" SET status = 'retired'`);
  await anonymizer.refresh();
});

afterAll(() => anonymizer.stop());

const noCapacity = { status: 503, code: 'no_capacity' };
const untouched = { mark: undefined, row: undefined };

/** Of two picked nodes, the busy one comes last. */
async function makeBusy(node: TestNode): Promise<void> {
  await pulse(anonymizer.service, node, 90);
  await anonymizer.refresh();
}

describe('RedemptionService without room', () => {
  it('does not spend the token when there is no node', async () => {
    const answer = await anonymizer.redeem(request);
    expect(answer).toMatchObject(noCapacity);
    expect(answer.headers.get('retry-after')).toBe('10');
    expect(await anonymizer.traces(request)).toEqual(untouched);
    await anonymizer.addNode();
    expect((await anonymizer.connect({ ...request, public_key: wireguardKey() })).status).toBe(200);
  });

  it.each(['unhealthy', 'draining', 'retired'] as const)(
    'does not spend the token when the only node is %s',
    async (status) => {
      const node = await anonymizer.addSilentNode();
      await anonymizer.setStatus(node, status);
      expect(await anonymizer.redeem(request)).toMatchObject(noCapacity);
      expect(await anonymizer.traces(request)).toEqual(untouched);
    },
  );

  it('does not spend the token when every slot is taken, even when only the database knows it', async () => {
    await anonymizer.addNode({ capacity: 1 });
    expect((await anonymizer.connect(request)).status).toBe(200);
    const late = await anonymizer.request();
    expect(await anonymizer.redeem(late)).toMatchObject(noCapacity);
    // As in a replica that has allocated none of the slots itself.
    directory.setLiveCounts(new Map());
    expect(await anonymizer.redeem(late)).toMatchObject(noCapacity);
    expect(await anonymizer.traces(late)).toEqual(untouched);
  });

  it('never exceeds the capacity of a node, and spends no token without a connection', async () => {
    const { id } = await anonymizer.addNode({ capacity: 5 });
    const requests = await Promise.all(Array.from({ length: 12 }, () => anonymizer.request()));
    await Promise.all(requests.map((each) => anonymizer.redeem(each)));
    // When a busy node acknowledges too late, the connection is released, and the next attempt finds the slot.
    for (let served = 0; served < 5;) {
      directory.setLiveCounts(new Map());
      const answers = await Promise.all(requests.map((each) => anonymizer.redeem(each)));
      served = answers.filter(({ status }) => status === 200).length;
      expect(answers.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
      expect(served).toBeLessThanOrEqual(5);
    }
    for (const each of requests) {
      const { row, ...traces } = await anonymizer.traces(each);
      if (row === undefined) expect(traces).toEqual({ mark: undefined });
    }
    const slots = (await anonymizer.rows()).filter(({ node_id }) => node_id === id).map(({ slot }) => slot);
    expect(slots.sort()).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('RedemptionService with a full node', () => {
  it('uses the other picked node', async () => {
    const full = await anonymizer.addNode({ capacity: 1 });
    expect((await anonymizer.connect(request)).server_public_key).toBe(full.publicKey);
    const other = await anonymizer.addNode();
    await makeBusy(other);
    const place = vi.spyOn(anonymizer.service.app.get(PlacementsService, { strict: false }), 'place');
    let next = request;
    const triedNodes = async () => {
      next = await anonymizer.request();
      place.mockClear();
      directory.setLiveCounts(new Map());
      await anonymizer.redeem(next);
      return place.mock.calls.map(([, node]) => node.id);
    };
    // Polled, because the service itself counts from time to time, and then knows that the first node is full.
    await expect.poll(triedNodes).toEqual([full.id, other.id]);
    place.mockRestore();
    expect(await anonymizer.connect(next)).toMatchObject({ status: 200, server_public_key: other.publicKey });
  });

  it('still returns existing connections to their clients', async () => {
    await anonymizer.addNode({ capacity: 1 });
    const first = await anonymizer.connect(request);
    expect((await anonymizer.connect(request)).connection_id).toBe(first.connection_id);
    expect(await anonymizer.redeem({ ...request, public_key: wireguardKey() })).toMatchObject({ code: 'token_reused' });
  });
});

describe('RedemptionService with a disabled location', () => {
  it('still returns existing connections to their clients, but makes no new ones', async () => {
    await anonymizer.addNode();
    const first = await anonymizer.connect(request);
    await anonymizer.service.app.get(OperatorLocationsService, { strict: false }).setEnabled('de-frankfurt', false);
    await anonymizer.refresh();
    expect((await anonymizer.connect(request)).connection_id).toBe(first.connection_id);
    expect(await anonymizer.redeem(await anonymizer.request())).toMatchObject({ code: 'unknown_location' });
    await anonymizer.service.app.get(OperatorLocationsService, { strict: false }).setEnabled('de-frankfurt', true);
    await anonymizer.refresh();
  });
});

describe('RedemptionService with a node that does not acknowledge', () => {
  it('releases the connection, and the token can be spent with any key', async () => {
    const silent = await anonymizer.addSilentNode();
    const [answer, peer] = await Promise.all([anonymizer.redeem(request), silent.nextPeer()]);
    expect(answer).toMatchObject(noCapacity);
    expect(await anonymizer.traces(request)).toEqual(untouched);
    expect(await anonymizer.acknowledge(silent, peer)).toBe(false);
    expect(await anonymizer.traces(request)).toEqual(untouched);
    await anonymizer.setStatus(silent, 'unhealthy');
    await anonymizer.addNode();
    expect((await anonymizer.connect({ ...request, public_key: wireguardKey() })).status).toBe(200);
  });

  it('moves the connection to another node, with another preshared key', async () => {
    const silent = await anonymizer.addSilentNode();
    const working = await anonymizer.addNode();
    await makeBusy(working);
    const [answer, peer] = await Promise.all([anonymizer.redeem(request), silent.nextPeer()]);
    expect(answer).toMatchObject({
      status: 200,
      server_public_key: working.publicKey,
      connection_id: peer.connection_id,
    });
    expect(answer.preshared_key).not.toBe(peer.preshared_key);
    const { row } = await anonymizer.traces(request);
    expect(row).toMatchObject({ node_id: working.id, revision: peer.revision + 1, status: 'active' });
    expect(await working.driver.list()).toContainEqual({
      publicKey: request.public_key,
      presharedKey: answer.preshared_key,
      allowedIps: answer.addresses,
    });
  });

  it('ignores late acknowledgements after a move, and frees the token after the second such node', async () => {
    const nodes = [await anonymizer.addSilentNode(), await anonymizer.addSilentNode()];
    const answer = anonymizer.redeem(request);
    const peers = nodes.map(async (node) => ({ node, peer: await node.nextPeer() }));
    const first = await Promise.race(peers);
    const second = await Promise.any(peers.filter((_, n) => nodes[n] !== first.node));
    expect(second.peer.revision).toBe(first.peer.revision + 1);
    expect(await anonymizer.acknowledge(first.node, first.peer)).toBe(false);
    expect(await anonymizer.acknowledge(first.node, second.peer)).toBe(false);
    expect(await anonymizer.acknowledge(second.node, first.peer)).toBe(false);
    expect(await answer).toMatchObject(noCapacity);
    expect(await anonymizer.traces(request)).toEqual(untouched);
  });

  it('accepts the acknowledgement of this placement, not of an earlier one of the same token', async () => {
    const silent = await anonymizer.addSilentNode();
    const [, earlier] = await Promise.all([anonymizer.redeem(request), silent.nextPeer()]);
    const answered = await untilInTime(async () => {
      const answer = anonymizer.redeem(request);
      const peer = await silent.nextPeer();
      expect(peer.revision).not.toBe(earlier.revision);
      expect(await anonymizer.acknowledge(silent, earlier)).toBe(false);
      const inTime = await anonymizer.acknowledge(silent, peer);
      return inTime ? answer : void (await answer);
    });
    expect(answered).toMatchObject({ status: 200, server_public_key: silent.publicKey });
  });

  it('does not return a connection that another client has made meanwhile', async () => {
    const silent = await anonymizer.addSilentNode();
    const theirs = Buffer.from(wireguardKey(), 'base64');
    const answered = await untilInTime(async () => {
      const answer = anonymizer.redeem(request);
      const { connection_id } = await silent.nextPeer();
      // As if a retry had released the row, and another client had then made a connection that was acknowledged.
      const replaced = await query(
        anonymizer.stack.ownerUrl,
        `UPDATE network."Connection" SET revision = revision + 7, public_key = $2, status = 'active'
         WHERE id = $1 RETURNING 1`,
        [connection_id, theirs],
      );
      return replaced.length === 1 ? answer : void (await answer);
    });
    expect(answered).toMatchObject({ status: 409, code: 'token_reused' });
    expect((await anonymizer.traces(request)).row?.public_key?.equals(theirs)).toBe(true);
  });
});

/** Repeats an attempt in which the acknowledgement came too late, as can happen on a busy machine. */
async function untilInTime<T>(attempt: () => Promise<T | void>): Promise<T> {
  return (await attempt()) ?? untilInTime(attempt);
}
