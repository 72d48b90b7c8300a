import { Inject, Injectable, Optional } from '@nestjs/common';
import { z } from 'zod';
import { GatekeeperLogger } from '../logger/index.js';
import { Background, Repeater } from '../platform/background/index.js';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { fetchJson } from '../platform/http/index.js';
import { PublicLocations } from '../platform/public-locations/index.js';

const refreshMs = 30_000;
const bounds = { accept: 'application/json', timeoutMs: 3_000, maxBytes: 1024 * 1024 };

/** The part of `GET /vpn/locations` that is needed here. Other and future fields are ignored. */
const publishedLocations = z.object({ locations: z.array(z.object({ id: z.string() })).max(10_000) });

/**
 * The locations that the anonymizer offers, as last fetched.
 *
 * The list is fetched at fixed intervals, never because of a request. A fetch at the moment when a user chooses a location would
 * tell the anonymizer that a user is choosing, and together with its own log perhaps which user. If both sides run in one
 * process, the list is read within it.
 */
@Injectable()
export class KnownLocationsService {
  private ids: ReadonlySet<string> | undefined;

  constructor(
    @Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig,
    logger: GatekeeperLogger,
    background: Background,
    @Optional() private readonly inProcess?: PublicLocations,
  ) {
    if (config.locationsUrl === undefined) return;
    const repeater = new Repeater({
      waitMs: refreshMs,
      run: () => this.refresh(),
      onFailure: (error) => logger.error('locations_not_read', error),
      atStart: true,
    });
    background.add({ start: () => void repeater.start(), stop: () => repeater.stop() });
  }

  /** @throws {AppError} `unavailable` until the list has been fetched once */
  has(id: string): boolean {
    const ids = this.inProcess === undefined ? this.ids : new Set(this.inProcess.list().map((location) => location.id));
    if (ids !== undefined) return ids.has(id);
    throw new AppError(
      'unavailable',
      'The list of locations could not be loaded yet, so no location can be chosen. Try again later.',
      {
        headers: { 'retry-after': String(refreshMs / 1000) },
      },
    );
  }

  /** Fetches the list now. Rejects if that fails; the previous list stays in use. */
  async refresh(): Promise<void> {
    if (this.config.locationsUrl === undefined) return;
    const { locations } = publishedLocations.parse(await fetchJson(this.config.locationsUrl, bounds));
    this.ids = new Set(locations.map(({ id }) => id));
  }
}
