import type { Clock, FileSystem } from '../../index.ts';
import { readIfThere, readStat } from './processIdentity.ts';

/** What a command was seen to use; a lower bound, for it is looked at now and then. */
export interface ResourceUse {
  readonly samples: number;
  /** The largest memory of the command's first process. Bytes. */
  readonly maxRssBytes: number;
  /** Processor time of that process and of those children that it has waited for. Milliseconds. */
  readonly cpuUserMs: number;
  readonly cpuSystemMs: number;
}

// Linux counts processor time for programs in hundredths of a second on every machine.
const MS_PER_TICK = 10;
const FIRST_MS = 10;
const LAST_MS = 500;

/**
 * Reads /proc/<pid> while the process runs: soon at first, for short commands, then twice a second.
 * The kernel gives a waiting parent the exact figures; Node does not hand them on.
 */
export class ResourceSampler {
  readonly #fileSystem: FileSystem;
  readonly #clock: Clock;
  readonly #pid: number;
  #cancel: (() => void) | undefined;
  #stopped = false;
  #use: ResourceUse | undefined;

  constructor(fileSystem: FileSystem, clock: Clock, pid: number) {
    this.#fileSystem = fileSystem;
    this.#clock = clock;
    this.#pid = pid;
    this.#next(FIRST_MS);
  }

  /** What was seen; `undefined` where nothing can be. */
  stop(): ResourceUse | undefined {
    this.#stopped = true;
    this.#cancel?.();
    return this.#use;
  }

  #next(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => {
      void this.#sample(ms);
    });
  }

  async #sample(ms: number): Promise<void> {
    const seen = await this.#look();
    if (seen && !this.#stopped) this.#next(Math.min(LAST_MS, ms * 2));
  }

  /** Whether it is worth looking again. */
  async #look(): Promise<boolean> {
    try {
      const stat = await readStat(this.#fileSystem, this.#pid);
      const status = await readIfThere(this.#fileSystem, `/proc/${this.#pid}/status`);
      const peak = /^VmHWM:\s+(\d+) kB/m.exec(status ?? '')?.[1];
      if (stat === undefined || peak === undefined) return false;
      const ms = (field: number): number => Number(stat[field] ?? 0) * MS_PER_TICK;
      this.#use = {
        samples: (this.#use?.samples ?? 0) + 1,
        maxRssBytes: Number(peak) * 1_024,
        cpuUserMs: ms(11) + ms(13),
        cpuSystemMs: ms(12) + ms(14),
      };
      return true;
    } catch {
      // Figures that cannot be read are left out; a command is never disturbed for their sake.
      return false;
    }
  }
}
