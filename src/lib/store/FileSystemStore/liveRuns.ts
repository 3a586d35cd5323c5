import { setImmediate } from 'node:timers';
import { LRUCache } from 'lru-cache';
import { isStoreError, StoreError } from '../../errors.ts';
import { EMPTY_RUN } from '../../model/represent.ts';
import { RunState } from '../../model/runState.ts';
import type { Clock } from '../../ports/clock.ts';
import type { RunIndex } from '../index/RunIndex.ts';
import { LiveRun } from './liveRun.ts';
import { lostPart, type RunFiles, type RunPart } from './runFiles.ts';

export interface LiveRunsParts {
  readonly index: RunIndex;
  readonly runFiles: RunFiles;
  readonly clock: Clock;
  /** Bytes of clean runs kept for the next read. */
  readonly cacheBytesMax: number;
}

/**
 * The runs in memory. Busy ones have something queued, staged or not yet in a run file, and stay;
 * clean ones can be read back at any time, and go when room is needed.
 */
export class LiveRuns {
  readonly #parts: LiveRunsParts;
  readonly #busy = new Map<string, LiveRun>();
  readonly #clean: LRUCache<string, LiveRun>;
  /** Just loaded: kept, whatever their size, until those who asked for them had their turn. */
  readonly #arrived = new Map<string, LiveRun>();
  readonly #loading = new Map<string, Promise<void>>();
  /** Those of damaged runs that are being deleted, and why nothing else may be done with them. */
  readonly #doomed = new WeakMap<LiveRun, StoreError>();
  /** Of damaged runs: the first commit that the log has of them and their files need not have. */
  readonly #firstUnfiled = new Map<string, number>();

  constructor(parts: LiveRunsParts) {
    this.#parts = parts;
    this.#clean = new LRUCache({
      maxSize: Math.max(1, parts.cacheBytesMax),
      sizeCalculation: (live) => live.rowBytes,
    });
  }

  get busy(): Iterable<LiveRun> {
    return this.#busy.values();
  }

  get stats(): { readonly runs: number; readonly bytes: number } {
    let bytes = this.#clean.calculatedSize;
    for (const live of this.#busy.values()) bytes += live.rowBytes + live.tail.bytes;
    return { runs: this.#busy.size + this.#clean.size, bytes };
  }

  peek(runId: string): LiveRun | undefined {
    return this.#busy.get(runId) ?? this.#clean.get(runId) ?? this.#arrived.get(runId);
  }

  /**
   * The run, if it can be had at once; else `load` it and ask again. What is returned is only good
   * within the same tick: later it may have been evicted, and another may stand in its place.
   */
  ready(runId: string): LiveRun | undefined {
    const live = this.peek(runId);
    const doom = live?.durable.run === undefined ? undefined : this.#doomed.get(live);
    if (doom !== undefined) throw doom;
    if (live !== undefined) return live;
    this.refuseDamaged(runId);
    return this.#parts.index.get(runId) === undefined ? new LiveRun(runId) : undefined;
  }

  /** Throws `DATA_CORRUPT` for a run that is known to be damaged: it is there, and not served. */
  refuseDamaged(runId: string): void {
    const finding = this.#parts.index.damages.get(runId);
    if (finding === undefined) return;
    throw new StoreError(finding.code, finding.message, { id: runId });
  }

  /** A commit of a damaged run that could not be applied, told in the order of the log. */
  withhold(runId: string, position: number): void {
    if (!this.#firstUnfiled.has(runId)) this.#firstUnfiled.set(runId, position);
  }

  /** From here on the log is needed for damaged runs: their files may come back (W7). */
  get firstWithheld(): number {
    let first = Infinity;
    for (const [runId, position] of this.#firstUnfiled) {
      if (this.#parts.index.damages.has(runId)) first = Math.min(first, position);
    }
    return first;
  }

  /**
   * A stand-in for a run that failed to load with `damage`: good for its deletion, which needs no
   * rows, and for nothing else. `undefined` when the run is in memory after all.
   */
  doom(runId: string, damage: StoreError): LiveRun | undefined {
    if (this.peek(runId) !== undefined) return undefined;
    const stored = this.#parts.index.get(runId);
    const state = new RunState();
    state.run = stored?.row ?? { ...EMPTY_RUN, id: runId };
    const live = new LiveRun(runId);
    const { position = 0, createdPosition = 0, parts = [] } = stored ?? {};
    live.restore(state, position, createdPosition, parts);
    this.#doomed.set(live, damage);
    return live;
  }

  /** Loads a stored run; concurrent callers share one read of the disk. */
  load(runId: string): Promise<void> {
    let loading = this.#loading.get(runId);
    if (loading === undefined) {
      loading = this.#load(runId).finally(() => this.#loading.delete(runId));
      this.#loading.set(runId, loading);
    }
    return loading;
  }

  async #load(runId: string): Promise<void> {
    const stored = this.#parts.index.get(runId);
    if (stored === undefined || this.peek(runId) !== undefined) return;
    const { state, position, createdPosition } = await this.#readRows(runId, stored.parts);
    if (this.peek(runId) !== undefined) return;
    const live = new LiveRun(runId);
    live.restore(state, position, createdPosition, stored.parts);
    this.#arrived.set(runId, live);
    setImmediate(() => {
      if (this.#arrived.delete(runId)) this.keep(live);
    });
  }

  async #readRows(runId: string, parts: readonly RunPart[]) {
    try {
      return await this.#parts.runFiles.readRows(runId, parts);
    } catch (error) {
      throw isStoreError(error, 'NOT_FOUND') ? lostPart(error, runId) : error;
    }
  }

  /** Keeps a run in memory until `release`: it is queued, staged or unsaved. */
  hold(live: LiveRun): void {
    live.touchedAt = this.#parts.clock.now();
    if (this.#busy.get(live.id) === live) return;
    this.#clean.delete(live.id);
    this.#arrived.delete(live.id);
    this.#busy.set(live.id, live);
  }

  /** Keeps a run that could be read back, as long as there is room. */
  keep(live: LiveRun): void {
    this.#clean.set(live.id, live);
  }

  /** Lets a run go when nothing needs it in memory any more. */
  release(live: LiveRun): void {
    if (live.isBusy || this.#busy.get(live.id) !== live) return;
    this.#busy.delete(live.id);
    if (live.durable.run !== undefined && !this.#doomed.has(live)) this.keep(live);
  }
}
