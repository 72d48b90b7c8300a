import { Injectable } from '@nestjs/common';
import { withTimeLimit } from '../background/index.js';

export interface ReadinessCheck {
  readonly name: string;
  /** Whether the process cannot serve without it. */
  readonly needed: boolean;
  /** Rejects when it is down. */
  check(): Promise<void>;
}

export interface ReadinessReport {
  readonly status: 'ready' | 'degraded' | 'unavailable' | 'draining';
  readonly down: readonly string[];
}

const timeoutMs = 1_000;

/** Reports whether this process can serve: which dependencies are down, and whether it is shutting down. */
@Injectable()
export class Readiness {
  private readonly checks: ReadinessCheck[] = [];
  private draining = false;

  add(check: ReadinessCheck): void {
    this.checks.push(check);
  }

  /** From now on `report` answers `draining`, so that load balancers send no new requests. */
  drain(): void {
    this.draining = true;
  }

  async report(): Promise<ReadinessReport> {
    const results = await Promise.all(this.checks.map(async (check) => ({ ...check, up: await isUp(check) })));
    const down = results.filter((result) => !result.up);
    return { status: this.statusOf(down), down: down.map((result) => result.name) };
  }

  private statusOf(down: readonly ReadinessCheck[]): ReadinessReport['status'] {
    if (this.draining) return 'draining';
    if (down.some((check) => check.needed)) return 'unavailable';
    return down.length > 0 ? 'degraded' : 'ready';
  }
}

async function isUp(check: ReadinessCheck): Promise<boolean> {
  try {
    await withTimeLimit(timeoutMs, check.check(), () => new Error('timeout'));
    return true;
  } catch {
    return false;
  }
}
