import { createMemoryFileSystem, type FileSystem } from '../index.ts';
import type { SeededRandom } from './seededRandom.ts';
import { drawFate, fatesOf } from './simulatedDisk/crashStates.ts';
import {
  type DiskImage,
  imageOf,
  keyOf,
  putImage,
  takeImage,
  visible,
  visibleNames,
} from './simulatedDisk/image.ts';
import { Names } from './simulatedDisk/names.ts';
import {
  type DiskCall,
  type DiskFault,
  Process,
  type ProcessContext,
} from './simulatedDisk/process.ts';
import { type DiskEvent, Surface } from './simulatedDisk/surface.ts';

export { fatesOf, imageOf, keyOf, putImage, Surface, takeImage };
export type { DiskCall, DiskEvent, DiskFault, DiskImage };

export interface SimulatedDiskOptions {
  readonly random: SeededRandom;
  /**
   * A call takes up to so many turns of the microtask queue to begin, and again to end, at random, so
   * that calls of several callers meet in every order. Default: 0.
   */
  readonly turnsMax?: number;
  /** By how much files may grow, all in all. Default: without end. */
  readonly bytesMax?: number;
}

const TEARS_MAX = 16;

/**
 * A disk in memory, a file system for a store, that keeps apart what processes see and what would
 * survive a power cut. All that is done to it is in `events`; a `Surface` that follows them tells at
 * each what is durable and what is undecided. Modes are not part of what it loses.
 *
 *     alive ──kill──► alive: all is seen, no more is durable
 *       └──cutPower──► alive: what was not durable was decided
 */
export class SimulatedDisk {
  /** In the order of their effect, since the power was last cut. */
  readonly events: DiskEvent[] = [];
  /** Bytes that were written to it at some time: what stale sectors may hold. */
  readonly stale: Buffer[] = [];
  /** Decides what becomes of a call. */
  fault: (call: DiskCall) => DiskFault = () => undefined;
  /** Told of each event. */
  onEvent: (n: number) => void = () => undefined;
  /** What would survive now. */
  surface = new Surface();
  /** By how much files may still grow. */
  bytesMax: number;
  readonly #random: SeededRandom;
  readonly #turnsMax: number;
  #inner = createMemoryFileSystem();
  #names = new Names();
  #process: Process;
  #last: Promise<unknown> = Promise.resolve();

  constructor({ random, turnsMax = 0, bytesMax = Infinity }: SimulatedDiskOptions) {
    this.#random = random;
    this.#turnsMax = turnsMax;
    this.bytesMax = bytesMax;
    this.#process = this.#newProcess();
  }

  /** A disk on which there is this, all of it durable. */
  static async of(image: DiskImage, options: SimulatedDiskOptions): Promise<SimulatedDisk> {
    const disk = new SimulatedDisk(options);
    await disk.#put(image);
    return disk;
  }

  /** A disk on which all this was done by a process that is dead now, durable or not. */
  static async after(
    events: readonly DiskEvent[],
    options: SimulatedDiskOptions,
  ): Promise<SimulatedDisk> {
    const disk = new SimulatedDisk(options);
    for (const event of events) disk.#record(event);
    await putImage(disk.#inner, visible(disk.surface));
    for (const [inode, found] of disk.surface.inodes) {
      const link = found.what === 'link' ? found.target : undefined;
      disk.#names.know(inode, visibleNames(disk.surface, inode), link);
    }
    return disk;
  }

  /** The file system as the process of the moment has it. */
  get fileSystem(): FileSystem {
    return this.#process;
  }

  /** The process dies: what it does from now on fails. What it wrote is seen, durable or not. */
  kill(): void {
    this.#process.die();
    this.#process = this.#newProcess();
  }

  /** The power goes: the process dies, and what was not durable is kept, lost or torn at random. */
  async cutPower(): Promise<void> {
    this.#process.die();
    const options = { random: this.#random, stale: this.stale, tearsMax: TEARS_MAX };
    await this.#put(imageOf(this.surface, drawFate(this.surface, options)));
  }

  /** All that processes see. */
  image(): Promise<DiskImage> {
    return takeImage(this.#inner);
  }

  async #put(image: DiskImage): Promise<void> {
    await this.#last;
    this.#inner = createMemoryFileSystem();
    this.#names = new Names();
    this.surface = new Surface();
    this.events.length = 0;
    const direct = { turnsMax: 0, fault: () => undefined, room: (length: number) => length };
    await putImage(new Process({ ...this.#context(), ...direct }), image);
    this.#record({ kind: 'settled' });
    this.#process = this.#newProcess();
  }

  #newProcess(): Process {
    return new Process(this.#context());
  }

  #context(): ProcessContext {
    const { surface } = this;
    return {
      inner: this.#inner,
      names: this.#names,
      random: this.#random,
      turnsMax: this.#turnsMax,
      fault: (call) => this.fault(call),
      // What a process of before the power cut still does, is done to a disk that is no more.
      record: (event) => (this.surface === surface ? this.#record(event) : this.events.length),
      count: () => this.events.length,
      room: (length) => this.#take(length),
      alone: (work) => this.#alone(work),
    };
  }

  #record(event: DiskEvent): number {
    const n = this.events.length;
    this.events.push(event);
    this.surface.apply(event, n);
    if (event.kind === 'write' && event.bytes.length > 0) this.stale.push(event.bytes);
    this.onEvent(n);
    return n;
  }

  #take(length: number): number {
    const taken = Math.min(length, this.bytesMax);
    this.bytesMax -= taken;
    return taken;
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
