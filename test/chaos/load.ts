import { expect } from 'vitest';
import { query } from '../support/stack.js';
import { type Answer, isFinal, moment } from './asking.js';
import { type ChaosNode, connectionsOf, expectNodesToAgree } from './nodes.js';
import { redeem, redeemUntilAnswered, type Spend, type SpendAnswer, spendOf } from './spending.js';
import { type World } from './world.js';

/** Two who had the same token, and what each was told in the end. */
interface Race {
  readonly spends: readonly [Spend, Spend];
  readonly answers: readonly [SpendAnswer, SpendAnswer];
}

/**
 * Clients that spend one token after the other, at one replica after the other, until they are stopped. For every token there
 * are two of them, with a key each, and neither gives up before it has been told yes or no.
 */
export class Load {
  /** How often each status was seen, those that mean "try again" included; 0 for none. */
  readonly seen = new Map<number, number>();
  private readonly races: Race[] = [];
  private readonly clients: Promise<void>[];
  private readonly waiting: { readonly holds: () => boolean; readonly resolve: () => void }[] = [];
  private over = false;

  /** @param urls are asked for anew before every request: replicas come and go */
  constructor(
    private readonly world: World,
    private readonly urls: () => readonly string[],
    clients = 6,
  ) {
    this.clients = Array.from({ length: clients }, (_, index) => this.spendTokens(index));
  }

  /** How many tokens have been spent so far. */
  get spent(): number {
    return this.races.length;
  }

  /** Resolves when so many more tokens have been spent. */
  async more(tokens: number): Promise<void> {
    const goal = this.spent + tokens;
    await this.until(() => this.spent >= goal);
  }

  /** Resolves when so many more answers of this status have been seen. */
  async sees(status: number, times: number): Promise<void> {
    const goal = (this.seen.get(status) ?? 0) + times;
    await this.until(() => (this.seen.get(status) ?? 0) >= goal);
  }

  /** Resolves when every token that was begun with has been spent. */
  async stop(): Promise<void> {
    this.over = true;
    await Promise.all(this.clients);
  }

  /** What must hold of every token, whatever happened meanwhile. */
  async expectSound(nodes: readonly ChaosNode[]): Promise<void> {
    for (const { answers } of this.races) {
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    }
    const won = this.races.map(({ spends, answers }) => {
      const winner = answers[0].status === 200 ? 0 : 1;
      return { id: answers[winner].connection_id ?? '', status: 'active', key: spends[winner].public_key };
    });
    await expectNodesToAgree(this.world, nodes);
    const ids = new Set(won.map(({ id }) => id));
    const rows = (await connectionsOf(this.world)).filter(({ id }) => ids.has(id));
    expect(rows).toEqual(won.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
    expect(await this.placesGivenTwice()).toEqual([]);
    // And still so when everybody asks again.
    for (const { spends, answers } of this.races.slice(0, 100)) {
      const again = await Promise.all(spends.map((spend) => redeemUntilAnswered(this.urls(), spend)));
      expect(again.map(({ status, connection_id }) => ({ status, connection_id }))).toEqual(
        answers.map(({ status, connection_id }) => ({ status, connection_id })),
      );
    }
  }

  private async placesGivenTwice(): Promise<unknown[]> {
    return query(
      this.world.services.ownerUrl,
      'SELECT node_id, slot FROM network."Connection" WHERE slot IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1',
    );
  }

  private async spendTokens(first: number): Promise<void> {
    for (let turn = first; !this.over; turn += 1) {
      const [token] = await this.world.mint.take(1);
      if (token === undefined) throw new Error('no token was made');
      const spends = [spendOf(token), spendOf(token)] as const;
      const answers = await Promise.all([this.untilTold(spends[0], turn), this.untilTold(spends[1], turn + 1)]);
      this.races.push({ spends, answers });
      this.wake();
    }
  }

  private async untilTold(spend: Spend, first: number): Promise<SpendAnswer> {
    for (let attempt = first; ; attempt += 1) {
      const urls = this.urls();
      const answer = await redeem(urls[attempt % urls.length] ?? '', spend);
      this.note(answer);
      if (isFinal(answer)) return answer;
      await moment();
    }
  }

  private note({ status }: Answer): void {
    this.seen.set(status, (this.seen.get(status) ?? 0) + 1);
    this.wake();
  }

  private async until(holds: () => boolean): Promise<void> {
    if (!holds()) await new Promise<void>((resolve) => this.waiting.push({ holds, resolve }));
  }

  private wake(): void {
    for (const waiter of this.waiting.filter(({ holds }) => holds())) {
      this.waiting.splice(this.waiting.indexOf(waiter), 1);
      waiter.resolve();
    }
  }
}
