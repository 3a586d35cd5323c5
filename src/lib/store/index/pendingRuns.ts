import type { ArtifactRow } from '../../model/entities.ts';
import type { Finding } from '../contract.ts';
import type { IndexedRun } from './indexedRun.ts';

/** What is to become of one run in the index: everything since the last flush, coalesced. */
export interface PendingRun {
  /** What stands in the index of a run with this id goes first. */
  deleted: boolean;
  run: IndexedRun | undefined;
  damage: Finding | undefined;
  readonly keys: Map<string, number>;
  /** Versions of artifacts, by name and version. */
  readonly artifacts: Map<string, ArtifactRow>;
  /** Grows from entry to entry: the map's order. */
  readonly ordinal: number;
}

/** The positions that the index may state. */
export interface Stamp {
  readonly position: number;
  readonly checkpoint: number;
}

/** Changes of the index that wait for a flush, oldest first. Reads look here before they ask SQL. */
export class PendingRuns {
  readonly #entries = new Map<string, PendingRun>();
  /** Each may be written once every entry up to `after` has been. */
  #stamps: { readonly after: number; readonly stamp: Stamp }[] = [];
  #ordinal = 0;

  get count(): number {
    return this.#entries.size;
  }

  get(runId: string): PendingRun | undefined {
    return this.#entries.get(runId);
  }

  put(runId: string, run: IndexedRun): void {
    this.#entry(runId).run = run;
  }

  delete(runId: string): void {
    const entry = this.#entry(runId);
    entry.deleted = true;
    entry.run = undefined;
    entry.damage = undefined;
    entry.keys.clear();
    entry.artifacts.clear();
  }

  putArtifact(runId: string, row: ArtifactRow): void {
    this.#entry(runId).artifacts.set(`${row.version} ${row.name}`, row);
  }

  putDamage(runId: string, damage: Finding): void {
    this.delete(runId);
    this.#entry(runId).damage = damage;
  }

  putEventKey(runId: string, key: string, seq: number): void {
    this.#entry(runId).keys.set(key, seq);
  }

  stamp(stamp: Stamp): void {
    const after = this.#ordinal;
    if (this.#stamps.at(-1)?.after === after) this.#stamps.pop();
    this.#stamps.push({ after, stamp });
  }

  entries(): MapIterator<[string, PendingRun]> {
    return this.#entries.entries();
  }

  /** The newest stamp that is true once the first `count` entries are written. */
  stampAfter(count: number): Stamp | undefined {
    let oldestLeft = Infinity;
    let skipped = 0;
    for (const entry of this.#entries.values()) {
      if (skipped++ < count) continue;
      oldestLeft = entry.ordinal;
      break;
    }
    return this.#stamps.findLast(({ after }) => after < oldestLeft)?.stamp;
  }

  /**
   * Forgets what was written: the first `count` entries, the next one but for its remaining keys
   * when `keys` of it were written, and this stamp.
   */
  written(count: number, keys: readonly string[], stamp: Stamp | undefined): void {
    let left = count;
    for (const [runId, entry] of this.#entries) {
      if (left-- > 0) {
        this.#entries.delete(runId);
        continue;
      }
      if (keys.length > 0) {
        entry.deleted = false;
        entry.run = undefined;
        entry.damage = undefined;
        entry.artifacts.clear();
        for (const key of keys) entry.keys.delete(key);
      }
      break;
    }
    if (stamp === undefined) return;
    this.#stamps = this.#stamps.slice(this.#stamps.findIndex((s) => s.stamp === stamp) + 1);
  }

  #entry(runId: string): PendingRun {
    let entry = this.#entries.get(runId);
    if (entry === undefined) {
      const ordinal = ++this.#ordinal;
      entry = {
        deleted: false,
        run: undefined,
        damage: undefined,
        keys: new Map(),
        artifacts: new Map(),
        ordinal,
      };
      this.#entries.set(runId, entry);
    }
    return entry;
  }
}
