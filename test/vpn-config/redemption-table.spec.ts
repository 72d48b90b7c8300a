import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, type RedemptionRequest, startAnonymizer, type TestAnonymizer } from '../support/anonymizer.js';
import { type TestNode, wireguardKey } from '../support/fleet.js';
import { query } from '../support/stack.js';
import { asTombstone } from '../../src/connection/connection-columns.js';
import { type KnownRow, PlacementsService, tokenHashOf } from '../../src/connection/index.js';
import { NodeDirectoryService } from '../../src/nodes/index.js';

/*
 * Tests the table of docs/redemption.md line by line: for each row of the token and each mark, the response to the client and
 * the mark that remains.
 */

let anonymizer: TestAnonymizer;
/** Acknowledges every peer. */
let working: TestNode;
/** Has the rows that a test prepares, and acknowledges nothing. */
let silent: TestNode;
let request: RedemptionRequest;

beforeAll(async () => {
  anonymizer = await startAnonymizer({ env: { NODE_ACK_TIMEOUT_MS: '4000' } });
  working = await anonymizer.addNode();
  silent = await anonymizer.addSilentNode();
  await anonymizer.setStatus(silent, 'unhealthy');
});

beforeEach(async () => {
  request = await anonymizer.request();
});

afterAll(() => anonymizer.stop());

const bytesOf = (text: string) => Buffer.from(text, 'base64url');
const tokenOf = ({ token }: RedemptionRequest) => bytesOf(token);
const spentKey = () => `spent:${tokenHashOf(tokenOf(request)).toString('hex')}`;
const ours = () =>
  createHash('sha256').update(tokenOf(request)).update(Buffer.from(request.public_key, 'base64')).digest('base64url');
const another = 'the fingerprint of another client';

async function placeRow(token: Buffer, publicKey: string): Promise<string> {
  const { app } = anonymizer.service;
  const node = app.get(NodeDirectoryService, { strict: false }).endpoint(silent.id);
  if (node === undefined) throw new Error('the node is unknown');
  const { keyId } = anonymizer.issuer.signingKey();
  const placement = { token, keyId, publicKey: Buffer.from(publicKey, 'base64'), dnsBlocking: 'none' } as const;
  const placed = await app.get(PlacementsService, { strict: false }).place(placement, node);
  return placed?.id ?? '';
}

async function leaveRow(state: KnownRow['state']): Promise<void> {
  if (state === 'none') return;
  if (state === 'none, key in use')
    return void (await placeRow(bytesOf((await anonymizer.mint()).token), request.public_key));
  const [owner, status] = state.split(', ');
  const id = await placeRow(tokenOf(request), owner === 'foreign' ? wireguardKey() : request.public_key);
  const change = status === undefined ? asTombstone.text : `status = '${status}'`;
  await query(anonymizer.stack.ownerUrl, `UPDATE network."Connection" SET ${change} WHERE id = '${id}'`);
}

const responseOf = ({ status, code }: Answer) => (code === undefined ? `${status}` : `${status} ${code}`);
const mark = async () => (await anonymizer.traces(request)).mark;

interface Line {
  readonly row: KnownRow['state'];
  /** Without a mark, or with our own mark. */
  readonly answer: string;
  readonly leaves: 'our mark' | 'no mark';
  readonly withAnothersMark: string;
}

const reused = '409 token_reused';
const lines: readonly Line[] = [
  { row: 'none', answer: '200', leaves: 'our mark', withAnothersMark: reused },
  { row: 'none, key in use', answer: '409 public_key_in_use', leaves: 'no mark', withAnothersMark: reused },
  { row: 'own, pending', answer: '200', leaves: 'our mark', withAnothersMark: '200' },
  { row: 'own, active', answer: '200', leaves: 'our mark', withAnothersMark: '200' },
  { row: 'own, ending', answer: reused, leaves: 'our mark', withAnothersMark: reused },
  { row: 'foreign, pending', answer: reused, leaves: 'no mark', withAnothersMark: reused },
  { row: 'foreign, active', answer: reused, leaves: 'no mark', withAnothersMark: reused },
  { row: 'foreign, ending', answer: reused, leaves: 'no mark', withAnothersMark: reused },
  { row: 'ended', answer: reused, leaves: 'our mark', withAnothersMark: reused },
];

describe.each(lines)('RedemptionService with the row "$row"', ({ row, answer, leaves, withAnothersMark }) => {
  beforeEach(() => leaveRow(row));

  it(`answers ${answer} without a mark, and leaves ${leaves}`, async () => {
    expect(responseOf(await anonymizer.redeem(request))).toBe(answer);
    expect(await mark()).toBe(leaves === 'our mark' ? ours() : undefined);
  });

  it(`answers ${answer} with our mark, and leaves ${leaves}`, async () => {
    await anonymizer.redis.set(spentKey(), ours());
    expect(responseOf(await anonymizer.redeem(request))).toBe(answer);
    expect(await mark()).toBe(leaves === 'our mark' ? ours() : undefined);
  });

  it(`answers ${withAnothersMark} with another client's mark, and leaves that mark`, async () => {
    await anonymizer.redis.set(spentKey(), another);
    expect(responseOf(await anonymizer.redeem(request))).toBe(withAnothersMark);
    expect(await mark()).toBe(another);
  });
});

describe('RedemptionService without room on any node', () => {
  beforeAll(() => anonymizer.setStatus(working, 'draining'));
  afterAll(() => anonymizer.setStatus(working, 'healthy'));

  it.each<[row: KnownRow['state'], answer: string, leaves: 'our mark' | 'no mark']>([
    ['none', '503 no_capacity', 'no mark'],
    ['none, key in use', '503 no_capacity', 'no mark'],
    ['own, pending', '503 no_capacity', 'no mark'],
    ['own, active', '200', 'our mark'],
    ['own, ending', reused, 'our mark'],
    ['foreign, pending', reused, 'no mark'],
    ['foreign, active', reused, 'no mark'],
    ['foreign, ending', reused, 'no mark'],
    ['ended', reused, 'our mark'],
  ])('with the row "%s" answers %s, and leaves %s', async (row, answer, leaves) => {
    await leaveRow(row);
    expect(responseOf(await anonymizer.redeem(request))).toBe(answer);
    expect(await mark()).toBe(leaves === 'our mark' ? ours() : undefined);
  });
});
