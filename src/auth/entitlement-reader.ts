/** What a person who has access may use. */
export interface Entitlement {
  readonly planId: string;
  /** Distinct tokens per issuer key. */
  readonly dailyTokens: number;
}

/** The question that issuing asks of whoever knows about plans and payments. */
export abstract class EntitlementReader {
  /** Undefined when nothing grants the person access at this moment. One statement. */
  abstract entitlementOf(userId: string, now: Date): Promise<Entitlement | undefined>;
}
