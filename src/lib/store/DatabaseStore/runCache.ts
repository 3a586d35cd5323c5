import { LRUCache } from 'lru-cache';
import type { StoreError } from '../../errors.ts';
import type { RunState } from '../../model/runState.ts';
import { stateBytes } from './rowBytes.ts';

/** A run as the database had it: good as long as its head there is the same. */
export interface CachedRun {
  readonly state: RunState;
  /** The last commit that touched it; 0: it is not there. */
  readonly head: number;
  readonly createdPosition: number;
  /** Why its rows cannot be read; then `state` holds what can, and it can be deleted. */
  readonly damage?: StoreError | undefined;
  /** What it takes, where that is known without counting it all. */
  readonly bytes?: number | undefined;
}

/** Throws what has damaged it, if something has. */
export function intact(run: CachedRun): CachedRun {
  if (run.damage !== undefined) throw run.damage;
  return run;
}

/** Runs that were read or written lately, bounded by bytes. Never the truth: every use is checked. */
export class RunCache {
  readonly #runs: LRUCache<string, CachedRun>;

  constructor(bytesMax: number) {
    this.#runs = new LRUCache({ maxSize: Math.max(1, bytesMax) });
  }

  get stats(): { readonly runs: number; readonly bytes: number } {
    return { runs: this.#runs.size, bytes: this.#runs.calculatedSize };
  }

  get(runId: string): CachedRun | undefined {
    return this.#runs.get(runId);
  }

  put(runId: string, run: CachedRun): void {
    const bytes = run.bytes ?? stateBytes(run.state);
    this.#runs.set(runId, { ...run, bytes }, { size: bytes });
  }

  forget(runId: string): void {
    this.#runs.delete(runId);
  }
}
