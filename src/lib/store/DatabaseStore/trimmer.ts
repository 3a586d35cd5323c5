import type { Database, Queryable } from '../../db.ts';
import type { BlobTable } from './blobs.ts';
import type { LogSpace } from './logSpace.ts';

/** Whoever makes every so many-th commit looks whether something of the log may go. */
const EVERY_COMMITS = 8_192;

interface PinPlace {
  readonly name: string;
  readonly position: number;
  readonly bytes_max: number;
}

export interface TrimmerParts {
  readonly db: Database;
  readonly space: Pick<LogSpace, 'bytesAfter' | 'trim'>;
  /** Of the log, at least; the newest. */
  readonly bytesKeep: number;
  /** Whose leftovers go at the same time. */
  readonly blobs?: Pick<BlobTable, 'collect'> | undefined;
  /** Of a trim that nobody waits for. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
}

/** Keeps the log as long as its readers need it, and no longer. */
export class Trimmer {
  readonly #parts: TrimmerParts;
  #trimming: Promise<void> | undefined;

  constructor(parts: TrimmerParts) {
    this.#parts = parts;
  }

  /** So many commits were made after the position `before`. */
  committed(before: number, count: number): void {
    const isDue = Math.floor(before / EVERY_COMMITS) < Math.floor((before + count) / EVERY_COMMITS);
    if (!isDue || this.#trimming !== undefined) return;
    this.#trimming = this.trim()
      // It is tried again with later commits.
      .catch((error: unknown) => this.#parts.onFailure?.(error))
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
      const bytes = (held[n] ?? 0) + (await this.#deletedBytesAfter(position));
      if (bytes <= bytes_max) continue;
      const broken = 'UPDATE holdfast_pins SET broken = 1 WHERE name = $1 AND position = $2';
      await db.query(broken, [name, position]);
    }
  }

  /** Events of deleted runs, which are kept for the log alone. */
  async #deletedBytesAfter(position: number): Promise<number> {
    const sql = `SELECT coalesce(sum(length(data)), 0) AS bytes FROM holdfast_deleted_events
      WHERE position > $1`;
    const { rows } = await this.#parts.db.query<{ bytes: number }>(sql, [position]);
    return rows[0]?.bytes ?? 0;
  }
}

/** Everything up to here may go. */
async function lowestPin(tx: Queryable): Promise<number> {
  const sql = 'SELECT min(position) AS lowest FROM holdfast_pins WHERE broken = 0';
  const { rows } = await tx.query<{ lowest: number | null }>(sql);
  return rows[0]?.lowest ?? Infinity;
}
