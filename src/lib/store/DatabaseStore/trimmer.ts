import type { Database, Queryable } from '../../db.ts';
import type { BlobTable } from './blobs.ts';
import type { LogSpace } from './logSpace.ts';

/** Commits of this process after which it looks whether something of the log may go. */
const EVERY_COMMITS = 8_192;

interface PinPlace {
  readonly name: string;
  readonly position: number;
  readonly bytes_max: number;
}

export interface TrimmerParts {
  readonly db: Database;
  readonly space: LogSpace;
  /** Of the log, at least; the newest. */
  readonly bytesKeep: number;
  /** Whose leftovers go at the same time. */
  readonly blobs?: Pick<BlobTable, 'collect'> | undefined;
}

/** Keeps the log as long as its readers need it, and no longer. */
export class Trimmer {
  readonly #parts: TrimmerParts;
  #commits = 0;
  #trimming: Promise<void> | undefined;
  /** Why the last try failed; the next one is made with later commits. */
  failure: unknown;

  constructor(parts: TrimmerParts) {
    this.#parts = parts;
  }

  /** So many commits were made. */
  committed(count: number): void {
    this.#commits += count;
    if (this.#commits < EVERY_COMMITS || this.#trimming !== undefined) return;
    this.#commits = 0;
    this.#trimming = this.trim()
      .then(
        () => (this.failure = undefined),
        (error: unknown) => void (this.failure = error),
      )
      .finally(() => (this.#trimming = undefined));
  }

  /** Breaks the pins that hold back more than they may, then removes what no pin or upload needs. */
  async trim(): Promise<void> {
    const { space, bytesKeep, blobs } = this.#parts;
    await this.#breakOverfull();
    await space.trim(bytesKeep, lowestPin);
    await blobs?.collect();
  }

  async close(): Promise<void> {
    await this.#trimming;
  }

  async #breakOverfull(): Promise<void> {
    const { db, space } = this.#parts;
    const sql = 'SELECT name, position, bytes_max FROM holdfast_pins WHERE broken = 0';
    const { rows } = await db.query<PinPlace>(sql);
    if (rows.length === 0) return;
    const held = await space.bytesAfter(
      db,
      rows.map(({ position }) => position),
    );
    for (const [n, { name, position, bytes_max }] of rows.entries()) {
      if ((held[n] ?? 0) <= bytes_max) continue;
      const broken = 'UPDATE holdfast_pins SET broken = 1 WHERE name = $1 AND position = $2';
      await db.query(broken, [name, position]);
    }
  }
}

/** Everything up to here may go. */
async function lowestPin(tx: Queryable): Promise<number> {
  const sql = 'SELECT min(position) AS lowest FROM holdfast_pins WHERE broken = 0';
  const { rows } = await tx.query<{ lowest: number | null }>(sql);
  return rows[0]?.lowest ?? Infinity;
}
