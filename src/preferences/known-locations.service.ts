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

/** As much of `GET /vpn/locations` as is needed: whatever else it comes to say is not looked at. */
const published = z.object({ locations: z.array(z.object({ id: z.string() })).max(10_000) });

/**
 * The locations that the anonymizer offers to everyone, as far as this side knows them.
 *
 * Read by the clock, never because somebody asks: a question to the other side at the moment when a person chooses would tell
 * it that somebody chooses, and beside its own log perhaps who. In one process nothing leaves it, and the list is read there.
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

  /** @throws {AppError} `unavailable` while the list is not known */
  has(id: string): boolean {
    const ids = this.inProcess === undefined ? this.ids : new Set(this.inProcess.list().map((location) => location.id));
    if (ids !== undefined) return ids.has(id);
    throw new AppError('unavailable', 'The list of locations is not known here, so none can be chosen now.', {
      headers: { 'retry-after': String(refreshMs / 1000) },
    });
  }

  /** Reads the list now. Rejects when it cannot be read: what was known stays known. */
  async refresh(): Promise<void> {
    if (this.config.locationsUrl === undefined) return;
    const { locations } = published.parse(await fetchJson(this.config.locationsUrl, bounds));
    this.ids = new Set(locations.map(({ id }) => id));
  }
}
