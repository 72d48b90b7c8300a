import { expect } from 'vitest';
import { query } from '../support/stack.js';
import { type Cluster } from './cluster.js';
import { type ChaosNode, connectionsOf, expectPeersToMatchDatabase } from './nodes.js';
import {
  redeem,
  redeemUntilAnswered,
  type RedemptionAnswer,
  type RedemptionRequest,
  redemptionRequestFor,
} from './redemption-requests.js';
import { type Answer, isFinal, shortPause } from './requests.js';

/** Two clients that redeem the same token, and the final answer to each. */
interface Race {
  readonly requests: readonly [RedemptionRequest, RedemptionRequest];
  readonly answers: readonly [RedemptionAnswer, RedemptionAnswer];
}

/**
 * Redeems tokens until it is stopped. For each token, two clients with different WireGuard keys race. Both retry, at one
 * replica after the other, until the answer is final.
 */
export class RedemptionLoad {
  /** How many answers had each status, including answers that ask for a retry. Status 0 counts requests without an answer. */
  readonly statusCounts = new Map<number, number>();
  private readonly races: Race[] = [];
  private readonly workers: Promise<void>[];
  private readonly waiters: { readonly condition: () => boolean; readonly resolve: () => void }[] = [];
  private isStopped = false;

  /**
   * @param urls called before every request, since replicas are replaced while the load runs
   * @param tokensAtOnce how many tokens are redeemed at the same time
   */
  constructor(
    private readonly cluster: Cluster,
    private readonly urls: () => readonly string[],
    tokensAtOnce = 6,
  ) {
    this.workers = Array.from({ length: tokensAtOnce }, (_, index) => this.redeemTokens(index));
  }

  /** How many tokens have been spent so far. */
  get tokensSpent(): number {
    return this.races.length;
  }

  /** Resolves when this many more tokens have been spent. */
  async waitForTokens(count: number): Promise<void> {
    const goal = this.tokensSpent + count;
    await this.waitUntil(() => this.tokensSpent >= goal);
  }

  /** Resolves after this many more answers with this status. */
  async waitForStatus(status: number, count: number): Promise<void> {
    const goal = (this.statusCounts.get(status) ?? 0) + count;
    await this.waitUntil(() => (this.statusCounts.get(status) ?? 0) >= goal);
  }

  /** Takes no more tokens. Resolves when the races that have begun are over. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.workers);
  }

  /** Checks that each token gave exactly one client a connection, and that nodes and database agree. */
  async expectEachTokenSpentOnce(nodes: readonly ChaosNode[]): Promise<void> {
    for (const { answers } of this.races) {
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    }
    const won = this.races.map(({ requests, answers }) => {
      const winner = answers[0].status === 200 ? 0 : 1;
      return { id: answers[winner].connection_id ?? '', status: 'active', key: requests[winner].public_key };
    });
    await expectPeersToMatchDatabase(this.cluster, nodes);
    const ids = new Set(won.map(({ id }) => id));
    const rows = (await connectionsOf(this.cluster)).filter(({ id }) => ids.has(id));
    expect(rows).toEqual(won.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
    expect(await this.slotsAssignedTwice()).toEqual([]);
    // A retry gets the same answer again.
    for (const { requests, answers } of this.races.slice(0, 100)) {
      const again = await Promise.all(requests.map((request) => redeemUntilAnswered(this.urls(), request)));
      expect(again.map(({ status, connection_id }) => ({ status, connection_id }))).toEqual(
        answers.map(({ status, connection_id }) => ({ status, connection_id })),
      );
    }
  }

  private async slotsAssignedTwice(): Promise<unknown[]> {
    return query(
      this.cluster.services.ownerUrl,
      'SELECT node_id, slot FROM network."Connection" WHERE slot IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1',
    );
  }

  private async redeemTokens(firstUrl: number): Promise<void> {
    for (let turn = firstUrl; !this.isStopped; turn += 1) {
      const [token] = await this.cluster.mint.take(1);
      if (token === undefined) throw new Error('the mint returned no token');
      const requests = [redemptionRequestFor(token), redemptionRequestFor(token)] as const;
      const answers = await Promise.all([
        this.redeemUntilFinal(requests[0], turn),
        this.redeemUntilFinal(requests[1], turn + 1),
      ]);
      this.races.push({ requests, answers });
      this.resolveWaiters();
    }
  }

  private async redeemUntilFinal(request: RedemptionRequest, firstUrl: number): Promise<RedemptionAnswer> {
    for (let attempt = firstUrl; ; attempt += 1) {
      const urls = this.urls();
      const answer = await redeem(urls[attempt % urls.length] ?? '', request);
      this.countStatus(answer);
      if (isFinal(answer)) return answer;
      await shortPause();
    }
  }

  private countStatus({ status }: Answer): void {
    this.statusCounts.set(status, (this.statusCounts.get(status) ?? 0) + 1);
    this.resolveWaiters();
  }

  private async waitUntil(condition: () => boolean): Promise<void> {
    if (!condition()) await new Promise<void>((resolve) => this.waiters.push({ condition, resolve }));
  }

  private resolveWaiters(): void {
    for (const waiter of this.waiters.filter(({ condition }) => condition())) {
      this.waiters.splice(this.waiters.indexOf(waiter), 1);
      waiter.resolve();
    }
  }
}
