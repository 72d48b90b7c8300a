import { type OpenSslSpeed } from './machine.js';
import { type Measured } from './rounds.js';

/** Everything that one run measured: what `--out` writes. */
export interface Results {
  readonly at: string;
  /** A smoke test: too short for its figures to mean much. */
  readonly quick: boolean;
  readonly machine: Readonly<Record<string, string>>;
  /** One-minute load average before the bench began; what the bench itself adds is in each contestant's own. */
  readonly loadAverageBefore: number;
  readonly minutes: number;
  readonly service: ServiceFigures;
  readonly signing: SigningLimits;
  /** The service first, then the bare server, then the rest. */
  readonly issuing?: readonly Measured[];
  /** The service first, then the bare server. */
  readonly redeeming?: readonly Measured[];
  /** From the smallest to the largest. */
  readonly growth?: readonly GrowthPoint[];
  readonly payments?: PaymentsMeasured;
  readonly people?: PeopleMeasured;
}

interface ServiceFigures {
  /** From the start of the process to "serving", its stores being there, ms; the median of a few. */
  readonly startMs: number;
  readonly idleMb: number;
}

/** What one core can sign when nothing else is asked of it. */
interface SigningLimits {
  readonly openssl: OpenSslSpeed | undefined;
  /** Our blind signature with its check, called in a loop. */
  readonly blindSignsPerSecond: number;
}

export interface GrowthPoint {
  readonly connections: number;
  readonly nodes: number;
  readonly startMs: number;
  readonly measured: Measured;
}

/** Events of Stripe, each verified, kept, looked up and written. */
export interface PaymentsMeasured {
  readonly customers: number;
  /** With about as many coming in as are dealt with. */
  readonly sustained: {
    readonly eventsPerSecond: number;
    /** Fewer than events: one look-up deals with all that a customer's events waited for. */
    readonly lookupsPerSecond: number;
    /** CPU milliseconds an event. */
    readonly cpuMs: Readonly<Record<string, number>>;
  };
  readonly burst: {
    readonly events: number;
    /** From the first one sent to the last one acknowledged. */
    readonly keptMs: number;
    /** From the first one sent to none waiting. */
    readonly drainedMs: number;
    readonly fetches: number;
  };
}

/** Notices to everybody, and what becomes of somebody's ten years. */
export interface PeopleMeasured {
  readonly notices: {
    readonly people: number;
    /** To the mail server, at once. */
    readonly connections: number;
    /** From the beginning of the statement that queues them all to its end. */
    readonly queuedMs: number;
    /** From the same beginning to none waiting. */
    readonly sentMs: number;
    /** CPU milliseconds a notice. */
    readonly cpuMs: Readonly<Record<string, number>>;
  };
  readonly histories: {
    readonly persons: number;
    /** Of each one's export. */
    readonly rows: number;
    readonly bytes: number;
    /** From the question to the whole answer. */
    readonly exportMs: readonly number[];
    /** From the question to nothing being left but the mark. */
    readonly deletionMs: readonly number[];
  };
}
