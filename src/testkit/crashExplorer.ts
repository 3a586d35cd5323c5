import { createHash } from 'node:crypto';
import type { FileSystem, Store } from '../index.ts';
import { Gap } from './crashExplorer/contents.ts';
import { examine } from './crashExplorer/examine.ts';
import { Broken, type Invariant } from './crashExplorer/ledger.ts';
import {
  type OpenInWorld,
  record,
  type Recording,
  recordRecovery,
  type Workload,
  type World,
} from './crashExplorer/recording.ts';
import type { Side } from './crashExplorer/side.ts';
import type { Stage } from './crashExplorer/stage.ts';
import { ManualClock } from './manualClock.ts';
import { SeededRandom } from './seededRandom.ts';
import {
  type DiskImage,
  fatesOf,
  imageOf,
  keyOf,
  SimulatedDisk,
  type SimulatedDiskOptions,
  Surface,
} from './simulatedDisk.ts';

export type { Invariant, OpenInWorld, Side, Stage, Workload, World };
export { WORKLOADS } from './crashExplorer/workloads.ts';

export interface ExploreOptions {
  readonly open: OpenInWorld;
  /** What the store keeps beside its disk; a crash leaves it as it was, older, torn, or missing. */
  readonly side?: Side | undefined;
  readonly workload: Workload;
  /** The same seed explores the same states in the same order. */
  readonly seed: number;
  /** Torn writes that are tried at each moment, about. Default: 8. */
  readonly tearsMax?: number;
  /** How many of the states are examined, drawn at random. Default: 1, all. */
  readonly share?: number;
  /** How many of the states are recovered under a second crash. Default: 0.02. */
  readonly secondShare?: number;
  /** Stops after so many broken states. Default: 1. */
  readonly brokenMax?: number;
  /** Gathers what tells images apart, so that several explorations count each image once. */
  readonly distinct?: Set<string>;
}

/** A crash state that broke a promise. */
export interface BrokenState {
  readonly invariant: Invariant;
  readonly detail: string;
  readonly workload: string;
  readonly seed: number;
  /** After which event of the disk the crash came; of the second life when there were two. */
  readonly event: number;
  readonly life: 1 | 2;
}

export interface Explored {
  /** Different images of the disk that were recovered and examined. */
  readonly states: number;
  /** Of them, those that were examined on after the first opening: the others had become the same. */
  readonly whole: number;
  /** Moments at which the power went, in the first and in the second life. */
  readonly crashes: number;
  readonly broken: readonly BrokenState[];
}

const HOUR_MS = 3_600_000;
const TEARS_MAX = 8;
const SECOND_SHARE = 0.02;
/** Every so many operations the process dies in the first life. */
const KILL_SHARE = 0.06;
/** How many of the states of second lives are examined: of lives there are many. */
const SECOND_LIFE_SHARE = 0.3;
const TURNS_MAX = 12;
/** Of a digest in Base64: 84 bits tell millions of images apart. */
const KEY_LENGTH = 14;

/**
 * Plays a workload on a simulated disk, cuts the power at each of its operations, in each of the ways
 * in which what was not durable can be decided, and examines what is left: is every acknowledged
 * commit there, whole, and nothing else? Some of these recoveries are crashed again themselves, after
 * a cut and after a mere kill of the process.
 */
export async function exploreCrashes(options: ExploreOptions): Promise<Explored> {
  const explorer = new Explorer(options);
  await explorer.run();
  const { states, whole, crashes, broken } = explorer;
  return { states, whole, crashes, broken };
}

type Life = 1 | 2;

class Explorer {
  crashes = 0;
  whole = 0;
  readonly broken: BrokenState[] = [];
  readonly #options: ExploreOptions;
  readonly #random: SeededRandom;
  /** By image: how many commits were found in it. */
  readonly #seen = new Map<string, number>();

  constructor(options: ExploreOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed + 1);
  }

  get states(): number {
    return this.#seen.size;
  }

  get #isDone(): boolean {
    return this.broken.length >= (this.#options.brokenMax ?? 1);
  }

  async run(): Promise<void> {
    const { workload, seed } = this.#options;
    this.#options.side?.put(new Map());
    await this.#guard(0, 1, async () => {
      await this.#crashAll(await record(workload, seed, this.#options), 1);
    });
  }

  async #crashAll(recording: Recording, life: Life): Promise<void> {
    const surface = new Surface();
    const stale: Buffer[] = [];
    const scene = { recording, life, surface, stale, ...this.#nextProcess(recording.ms) };
    for (const [n, event] of recording.events.entries()) {
      if (this.#isDone) return;
      surface.apply(event, n);
      if (n >= recording.from) {
        await this.#cutPower(scene, n);
        // No process can speak to the next one in between a failed sync and its answer to that.
        const isKilled = life === 1 && this.#random.chance(KILL_SHARE) && !surface.hasNameInDoubt;
        if (isKilled) await this.#guard(n, life, () => this.#kill(recording, n));
      }
      if (event.kind === 'write' && event.bytes.length > 0) stale.push(event.bytes);
    }
  }

  async #cutPower(scene: Scene, n: number): Promise<void> {
    const { recording, surface, stale, life } = scene;
    const { tearsMax = TEARS_MAX } = this.#options;
    const share = (this.#options.share ?? 1) * (life === 1 ? 1 : SECOND_LIFE_SHARE);
    this.crashes++;
    for (const fate of fatesOf(surface, { random: this.#random, stale, tearsMax })) {
      if (this.#isDone) return;
      if (!this.#random.chance(share)) continue;
      await this.#guard(n, life, async () => {
        const image = imageOf(surface, fate);
        const side = recording.side?.draw(n, this.#random);
        if (side !== undefined) this.#options.side?.put(side);
        const isNew = await this.#examine(image, scene, n);
        if (isNew && life === 1 && this.#random.chance(this.#secondShare)) {
          if (side !== undefined) this.#options.side?.put(side);
          const disk = await SimulatedDisk.of(image, this.#diskOptions);
          await this.#liveOn(recording, disk, n);
        }
      });
    }
  }

  /** False for an image that was examined before, with as much to be found. */
  async #examine(image: DiskImage, scene: Scene, n: number): Promise<boolean> {
    const required = scene.recording.ledger.requiredAt(n + 1);
    const read = scene.recording.ledger.readAt(n + 1);
    const key = `${keyOf(image)}${this.#sideKey()}`;
    const known = this.#seen.get(key);
    if (known !== undefined && known >= Math.max(required, read)) return false;
    const { side } = this.#options;
    const { open, recovered, recording } = scene;
    const { ledger } = recording;
    const pins = ledger.pinsAt(n + 1);
    const mayBeNew = n + 1 < ledger.openedAt;
    const given = { open, image, ledger, required, read, pins, mayBeNew, side, recovered };
    this.#seen.set(key, known ?? 0);
    const { size } = recovered;
    this.#seen.set(key, await examine(given));
    this.whole += recovered.size - size;
    this.#options.distinct?.add(key.slice(0, KEY_LENGTH));
    return true;
  }

  /** What lies beside the disk is part of what a crash leaves. */
  #sideKey(): string {
    const hash = createHash('sha1');
    for (const [name, bytes] of this.#options.side?.take() ?? []) hash.update(name).update(bytes);
    return this.#options.side === undefined ? '' : hash.digest('base64');
  }

  async #kill(recording: Recording, n: number): Promise<void> {
    const side = recording.side?.at(n);
    if (side !== undefined) this.#options.side?.put(side);
    const disk = await SimulatedDisk.after(recording.events.slice(0, n + 1), this.#diskOptions);
    await this.#liveOn(recording, disk, n);
  }

  /** A second life on what is left, crashed as the first one was. */
  async #liveOn({ ledger, ms }: Recording, disk: SimulatedDisk, n: number): Promise<void> {
    const remains = { disk, clock: this.#clockAfter(ms), ledger, events: n + 1 };
    const second = await recordRecovery(remains, this.#options);
    if (second !== undefined) await this.#crashAll(second, 2);
  }

  get #secondShare(): number {
    return this.#options.secondShare ?? SECOND_SHARE;
  }

  get #diskOptions(): SimulatedDiskOptions {
    return { random: new SeededRandom(this.#random.seed()), turnsMax: TURNS_MAX };
  }

  /** After every crash of one recording the same process comes: what it finds decides what it does. */
  #nextProcess(ms: number): Pick<Scene, 'open' | 'recovered'> {
    const now = this.#clockAfter(ms).ms;
    const seed = this.#random.seed();
    const open = (fileSystem: FileSystem) => {
      const clock = new ManualClock();
      clock.ms = now;
      return this.#options.open({ fileSystem, clock, random: new SeededRandom(seed) });
    };
    return { open, recovered: new Set() };
  }

  /** The clock of the next process: off by up to an hour, in both directions. */
  #clockAfter(ms: number): ManualClock {
    const clock = new ManualClock();
    clock.ms = ms + this.#random.below(2 * HOUR_MS) - HOUR_MS;
    return clock;
  }

  async #guard(event: number, life: Life, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const { workload, seed } = this.#options;
      const invariant = invariantOf(error);
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.broken.push({ invariant, detail, workload: workload.name, seed, event, life });
    }
  }
}

function invariantOf(error: unknown): Invariant {
  if (error instanceof Broken) return error.invariant;
  if (error instanceof Gap || (error instanceof Error && error.cause instanceof Gap))
    return 'positions and sequence numbers are dense';
  return 'the store opens';
}

/** A recording that is crashed, as far as it has gone. */
interface Scene {
  readonly recording: Recording;
  readonly life: Life;
  readonly surface: Surface;
  readonly stale: readonly Buffer[];
  readonly open: (fileSystem: FileSystem) => Promise<Store>;
  readonly recovered: Set<string>;
}
