import { LRUCache } from 'lru-cache';
import type { RunState } from '../../model/runState.ts';

/** A run as the database had it: good as long as its head there is the same. */
export interface CachedRun {
  readonly state: RunState;
  /** The last commit that touched it; 0: it is not there. */
  readonly head: number;
  readonly createdPosition: number;
}

const ROW_BYTES = 600;

/** Runs that were read or written lately, bounded by bytes. Never the truth: every use is checked. */
export class RunCache {
  readonly #runs: LRUCache<string, CachedRun>;

  constructor(bytesMax: number) {
    this.#runs = new LRUCache({ maxSize: Math.max(1, bytesMax), sizeCalculation: bytesOf });
  }

  get stats(): { readonly runs: number; readonly bytes: number } {
    return { runs: this.#runs.size, bytes: this.#runs.calculatedSize };
  }

  get(runId: string): CachedRun | undefined {
    return this.#runs.get(runId);
  }

  put(runId: string, run: CachedRun): void {
    this.#runs.set(runId, run);
  }

  forget(runId: string): void {
    this.#runs.delete(runId);
  }
}

/** Roughly: rows and payloads. */
function bytesOf({ state }: CachedRun): number {
  let bytes = ROW_BYTES + payloads(state.run);
  for (const step of state.steps.values()) bytes += ROW_BYTES + payloads(step);
  return bytes;
}

function payloads(row: { readonly input: string; readonly output: string } | undefined): number {
  return row === undefined ? 0 : row.input.length + row.output.length;
}
