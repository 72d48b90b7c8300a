/** Of a location, what the other side may need: its name in the public list. */
export interface PublicLocation {
  readonly id: string;
}

/**
 * The list of locations that `GET /vpn/locations` publishes to everyone, where the anonymizer is in this process. A port:
 * the list is all of the anonymizer that the gatekeeper ever sees, and asking for it says nothing about anybody.
 */
export abstract class PublicLocations {
  /** @throws {AppError} `unavailable` while the list was never read */
  abstract list(): readonly PublicLocation[];
}
