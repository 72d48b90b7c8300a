/** What the node has measured. */
export interface Reading {
  /** 0 to 100. */
  readonly load: number;
  /** Bytes from and to all peers since the last reading that was reported. */
  readonly rxBytes?: number;
  readonly txBytes?: number;
}

export interface Meter {
  read(): Reading;
  /** The backend has this reading: what it counted is not counted again. */
  reported(reading: Reading): void;
}
