import { ApiError } from '../errors.js';

/** A response as it was sent. */
export interface ApiResponse {
  readonly status: number;
  readonly body: object;
  readonly requestId: string;
}

interface Entry {
  readonly request: string;
  readonly startedAt: number;
  /** Absent while the first request is running. */
  answer?: ApiResponse;
}

/** "You can remove keys from the system automatically after they're at least 24 hours old." */
const retentionMs = 24 * 3600 * 1000;

/** Requests with the same Idempotency-Key are executed once. https://docs.stripe.com/api/idempotent_requests */
export class Idempotency {
  private readonly entries = new Map<string, Entry>();

  /**
   * @returns the response to an earlier request with this key, or undefined when this is the first.
   * @throws {ApiError} 400 when the earlier request had other parameters, 409 when it is still running.
   */
  begin(key: string, request: string, now: number): ApiResponse | undefined {
    const earlier = this.entries.get(key);
    if (!earlier || earlier.startedAt + retentionMs <= now) {
      this.entries.set(key, { request, startedAt: now });
      return undefined;
    }
    if (earlier.request !== request) {
      const message = `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`;
      throw new ApiError(400, { type: 'idempotency_error', message });
    }
    if (earlier.answer) return earlier.answer;
    const message = `There is currently another in-progress request using this Idempotency Key (that probably means you submitted twice, and the other request is still going through): ${key}. Please try again later.`;
    throw new ApiError(409, { type: 'idempotency_error', code: 'idempotency_key_in_use', message });
  }

  end(key: string, answer: ApiResponse): void {
    const entry = this.entries.get(key);
    if (entry) entry.answer = answer;
  }
}
