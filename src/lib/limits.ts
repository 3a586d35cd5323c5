const KiB = 1024;
const MiB = 1024 * KiB;

/** What one call may carry. The same on every backend; over it is `LIMIT_EXCEEDED`. */
export const LIMITS = {
  idBytesMax: 200,
  /** Names, types, tags and other plain strings. */
  textBytesMax: 1 * KiB,
  /** Messages, reasons and stacks inside entities. */
  messageBytesMax: 64 * KiB,
  payloadBytesMax: 8 * MiB,
  commitBytesMax: 32 * MiB,
  depthMax: 100,
  tagsMax: 100,
  metricsMax: 1_000,
  dependenciesMax: 1_000,
  attemptsMax: 10_000,
  listDefault: 50,
  listMax: 1_000,
  /** How often a transaction's callback runs before it gives up against other writers. */
  transactionTriesMax: 10,
} as const;

/** Defaults of the file-system store; each may be set when opening. Bytes and milliseconds. */
export const FILE_STORE_DEFAULTS = {
  /** Writers wait while more than this is queued and not yet durable. */
  queueBytesMax: 64 * MiB,
  /** One write of the journal gathers at most this much. */
  batchBytesMax: 4 * MiB,
  segmentBytesMin: 64 * KiB,
  segmentBytesMax: 16 * MiB,
  /** Closed segments beyond this are checkpointed and removed. */
  journalBytesKeep: 32 * MiB,
  /** Writers wait while the journal is larger, until the checkpointer has caught up. */
  journalBytesMax: 256 * MiB,
  /** A run's events in memory beyond this are moved to a run file. */
  tailBytesMax: 4 * MiB,
  /** Rows of runs that are safe on disk and kept in memory for the next read. */
  cacheBytesMax: 32 * MiB,
  /** A run without a write for this long is moved to its run file. */
  quietMs: 2_000,
  /** How long opening waits for another owner to let go. */
  lockWaitMs: 10_000,
} as const;
