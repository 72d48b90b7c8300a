import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, type RedemptionRequest, startAnonymizer, type TestAnonymizer } from '../support/anonymizer.js';
import { type TestNode, wireguardKey } from '../support/fleet.js';
import { query } from '../support/stack.js';
import { asTombstone } from '../../src/connection/connection-columns.js';
import { type KnownRow, PlacementsService, tokenHashOf } from '../../src/connection/index.js';
import { NodeDirectoryService } from '../../src/nodes/index.js';

/*
 * The table of docs/redemption.md, line by line: which row stands under a token's id, which mark is on it, what the client
 * is answered and which mark is left.
 */

let anonymizer: TestAnonymizer;
/** Takes what comes. */
let good: TestNode;
/** Has the rows that a test finds there, and says nothing. */
let silent: TestNode;
let request: RedemptionRequest;

beforeAll(async () => {
  anonymizer = await startAnonymizer({ env: { NODE_ACK_TIMEOUT_MS: '4000' } });
  good = await anonymizer.addNode();
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
  if (node === undefined) throw new Error('the node is not known');
  const { keyId } = anonymizer.issuer.signingKey();
  const asked = { token, keyId, publicKey: Buffer.from(publicKey, 'base64'), dnsBlocking: 'none' } as const;
  const placed = await app.get(PlacementsService, { strict: false }).place(asked, node);
  return placed?.id ?? '';
}

async function leaveRow(is: KnownRow['is']): Promise<void> {
  if (is === 'none') return;
  if (is === 'none, key in use')
    return void (await placeRow(bytesOf((await anonymizer.mint()).token), request.public_key));
  const [whose, status] = is.split(', ');
  const id = await placeRow(tokenOf(request), whose === 'foreign' ? wireguardKey() : request.public_key);
  const change = status === undefined ? asTombstone.text : `status = '${status}'`;
  await query(anonymizer.stack.ownerUrl, `UPDATE network."Connection" SET ${change} WHERE id = '${id}'`);
}

const said = ({ status, code }: Answer) => (code === undefined ? `${status}` : `${status} ${code}`);
const mark = async () => (await anonymizer.traces(request)).mark;

interface Line {
  readonly row: KnownRow['is'];
  /** Under no mark, or our own. */
  readonly answer: string;
  readonly leaves: 'our mark' | 'no mark';
  readonly underAnothersMark: string;
}

const reused = '409 token_reused';
const lines: readonly Line[] = [
  { row: 'none', answer: '200', leaves: 'our mark', underAnothersMark: reused },
  { row: 'none, key in use', answer: '409 public_key_in_use', leaves: 'no mark', underAnothersMark: reused },
  { row: 'own, pending', answer: '200', leaves: 'our mark', underAnothersMark: '200' },
  { row: 'own, active', answer: '200', leaves: 'our mark', underAnothersMark: '200' },
  { row: 'own, ending', answer: reused, leaves: 'our mark', underAnothersMark: reused },
  { row: 'foreign, pending', answer: reused, leaves: 'no mark', underAnothersMark: reused },
  { row: 'foreign, active', answer: reused, leaves: 'no mark', underAnothersMark: reused },
  { row: 'foreign, ending', answer: reused, leaves: 'no mark', underAnothersMark: reused },
  { row: 'ended', answer: reused, leaves: 'our mark', underAnothersMark: reused },
];

describe.each(lines)('a row that is "$row"', ({ row, answer, leaves, underAnothersMark }) => {
  beforeEach(() => leaveRow(row));

  it(`under no mark: ${answer}, and ${leaves} is left`, async () => {
    expect(said(await anonymizer.redeem(request))).toBe(answer);
    expect(await mark()).toBe(leaves === 'our mark' ? ours() : undefined);
  });

  it(`under our mark: ${answer}, and ${leaves} is left`, async () => {
    await anonymizer.redis.set(spentKey(), ours());
    expect(said(await anonymizer.redeem(request))).toBe(answer);
    expect(await mark()).toBe(leaves === 'our mark' ? ours() : undefined);
  });

  it(`under another's mark: ${underAnothersMark}, and that mark is left`, async () => {
    await anonymizer.redis.set(spentKey(), another);
    expect(said(await anonymizer.redeem(request))).toBe(underAnothersMark);
    expect(await mark()).toBe(another);
  });
});

describe('without room', () => {
  beforeAll(() => anonymizer.setStatus(good, 'draining'));
  afterAll(() => anonymizer.setStatus(good, 'healthy'));

  it.each<[row: KnownRow['is'], answer: string, leaves: 'our mark' | 'no mark']>([
    ['none', '503 no_capacity', 'no mark'],
    ['none, key in use', '503 no_capacity', 'no mark'],
    ['own, pending', '503 no_capacity', 'no mark'],
    ['own, active', '200', 'our mark'],
    ['own, ending', reused, 'our mark'],
    ['foreign, pending', reused, 'no mark'],
    ['foreign, active', reused, 'no mark'],
    ['foreign, ending', reused, 'no mark'],
    ['ended', reused, 'our mark'],
  ])('a row that is "%s": %s, and %s is left', async (row, answer, leaves) => {
    await leaveRow(row);
    expect(said(await anonymizer.redeem(request))).toBe(answer);
    expect(await mark()).toBe(leaves === 'our mark' ? ours() : undefined);
  });
});
