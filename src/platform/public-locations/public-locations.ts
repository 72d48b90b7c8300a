/** A location as the gatekeeper sees it: only its id in the public list. */
export interface PublicLocation {
  readonly id: string;
}

/**
 * The public list of locations, as `GET /vpn/locations` publishes it. The gatekeeper reads it through this class when the
 * anonymizer runs in the same process. It sees nothing else of the anonymizer, and reading the list reveals no user.
 */
export abstract class PublicLocations {
  /** @throws {AppError} `unavailable` until the list has been read once */
  abstract list(): readonly PublicLocation[];
}
