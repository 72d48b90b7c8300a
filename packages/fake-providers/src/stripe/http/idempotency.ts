import { ApiError } from '../errors.js';

/** An answer as it left. */
export interface ApiResponse {
  readonly status: number;
  readonly body: object;
  readonly requestId: string;
}

interface Entry {
  readonly request: string;
  readonly keptAt: number;
  /** Absent while the first request is still being answered. */
  answer?: ApiResponse;
}

/** "You can remove keys from the system automatically after they're at least 24 hours old." */
const retentionMs = 24 * 3600 * 1000;

/** Requests that carry an Idempotency-Key are done once. https://docs.stripe.com/api/idempotent_requests */
export class Idempotency {
  private readonly entries = new Map<string, Entry>();

  /**
   * @returns the answer that an earlier request with this key got, if there was one.
   * @throws {ApiError} 400 when that one asked for something else, 409 when it is still being answered.
   */
  begin(key: string, request: string, now: number): ApiResponse | undefined {
    const before = this.entries.get(key);
    if (!before || before.keptAt + retentionMs <= now) {
      this.entries.set(key, { request, keptAt: now });
      return undefined;
    }
    if (before.request !== request) {
      const message = `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`;
      throw new ApiError(400, { type: 'idempotency_error', message });
    }
    if (before.answer) return before.answer;
    const message = `There is currently another in-progress request using this Idempotency Key (that probably means you submitted twice, and the other request is still going through): ${key}. Please try again later.`;
    throw new ApiError(409, { type: 'idempotency_error', code: 'idempotency_key_in_use', message });
  }

  end(key: string, answer: ApiResponse): void {
    const kept = this.entries.get(key);
    if (kept) kept.answer = answer;
  }
}
