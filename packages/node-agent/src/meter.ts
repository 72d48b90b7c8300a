/** One measurement of the node. */
export interface Reading {
  /** 0 to 100. */
  readonly load: number;
  /** Bytes from and to all peers since the last reported reading. */
  readonly rxBytes?: number;
  readonly txBytes?: number;
}

export interface Meter {
  read(): Reading;
  /** The backend has received this reading: later readings do not count its traffic again. */
  markReported(reading: Reading): void;
}
