import { type OpenSslSpeed } from './machine.js';
import { type Measured } from './rounds.js';

/** All results of one run, as `--out` writes them. */
export interface Results {
  readonly at: string;
  /** Whether this was a smoke test, which is too short for meaningful figures. */
  readonly quick: boolean;
  readonly machine: Readonly<Record<string, string>>;
  /** One-minute load average before the bench began. Each competitor's load averages include the bench itself. */
  readonly loadAverageBefore: number;
  readonly minutes: number;
  readonly service: ServiceFigures;
  readonly signing: SigningLimits;
  /** The service first, then the bare server, then the rest. */
  readonly issuing?: readonly Measured[];
  /** The service first, then the bare server. */
  readonly redeeming?: readonly Measured[];
  /** In ascending order. */
  readonly growth?: readonly GrowthPoint[];
  readonly payments?: PaymentsMeasured;
  readonly users?: UsersMeasured;
}

interface ServiceFigures {
  /** Milliseconds from the start of the process to "serving", with running stores; the median of a few starts. */
  readonly startMs: number;
  readonly idleMb: number;
}

/** What one core can sign when it does nothing else. */
interface SigningLimits {
  readonly openssl: OpenSslSpeed | undefined;
  /** The service's blind signature with its check, called in a loop. */
  readonly blindSignsPerSecond: number;
}

export interface GrowthPoint {
  readonly connections: number;
  readonly nodes: number;
  readonly startMs: number;
  readonly measured: Measured;
}

/** Processing of Stripe's events. */
export interface PaymentsMeasured {
  readonly customers: number;
  /** While the service receives about as many events as it processes. */
  readonly sustained: {
    readonly eventsPerSecond: number;
    /** Fewer than events, because one fetch processes all waiting events of a customer. */
    readonly fetchesPerSecond: number;
    /** CPU milliseconds per event. */
    readonly cpuMs: Readonly<Record<string, number>>;
  };
  readonly burst: {
    readonly events: number;
    /** From the first event sent to the last one acknowledged. */
    readonly storedMs: number;
    /** From the first event sent until no event waits. */
    readonly drainedMs: number;
    readonly fetches: number;
  };
}

/** A notification to all users, and the export and deletion of accounts with ten years of history. */
export interface UsersMeasured {
  readonly notifications: {
    readonly users: number;
    /** Concurrent connections to the mail server. */
    readonly connections: number;
    /** Duration of the statement that enqueues all notifications. */
    readonly queuedMs: number;
    /** From the beginning of that statement until no notification waits. */
    readonly sentMs: number;
    /** CPU milliseconds per notification. */
    readonly cpuMs: Readonly<Record<string, number>>;
  };
  readonly histories: {
    readonly accounts: number;
    /** Rows of each export. */
    readonly rows: number;
    readonly bytes: number;
    /** From the request to the complete answer. */
    readonly exportMs: readonly number[];
    /** From the request until only the record of the deletion is left. */
    readonly deletionMs: readonly number[];
  };
}
