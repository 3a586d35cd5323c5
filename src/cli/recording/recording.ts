import type { Artifact, NewEvent, Run, RunEvent, Step, Store } from '../../index.ts';

/** A write that the store has acknowledged: durable, whatever happens from now on. */
export type Acknowledged =
  | { readonly kind: 'run'; readonly version: number }
  | { readonly kind: 'step'; readonly stepId: string; readonly version: number }
  | { readonly kind: 'event'; readonly seq: number }
  | { readonly kind: 'artifact'; readonly name: string; readonly version: number };

export interface RecordingHooks {
  /** After each acknowledged write, with how many there have been. */
  readonly onAcknowledged?: ((count: number, write: Acknowledged) => void) | undefined;
  /** Once, when the store failed: from then on nothing is recorded, and commands go on. */
  readonly onStopped?: ((error: unknown) => void) | undefined;
}

// As much as may be on its way to the store before a command's output is read on.
const IN_FLIGHT_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The writes of one recorded run. A store that fails must not take the command with it: the first
 * failure is reported and ends the recording, and later writes are left out.
 */
export class Recording {
  readonly store: Store;
  readonly runId: string;
  readonly #hooks: RecordingHooks;
  readonly #inFlight = new Set<Promise<unknown>>();
  #inFlightBytes = 0;
  #acknowledged = 0;
  #storedBytes = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(store: Store, runId: string, hooks: RecordingHooks) {
    this.store = store;
    this.runId = runId;
    this.#hooks = hooks;
  }

  /** Why nothing is recorded any more; `undefined` while it is. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** How much of what `appendSoon` was given is durable. Bytes. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  /** The result of a write, or `undefined` when the recording has stopped, now or before. */
  async attempt<T>(
    work: () => Promise<T>,
    acknowledged: (result: T) => readonly Acknowledged[],
  ): Promise<T | undefined> {
    return this.#failure === undefined ? this.#write(work, acknowledged) : undefined;
  }

  /** Like `attempt`, also after a failure from which the store has recovered, such as a full disk. */
  async attemptEnd<T>(
    work: () => Promise<T>,
    acknowledged: (result: T) => readonly Acknowledged[],
  ): Promise<T | undefined> {
    return this.store.status === 'open' ? this.#write(work, acknowledged) : undefined;
  }

  append(event: NewEvent): Promise<RunEvent | undefined> {
    return this.attempt(
      () => this.store.events.append(this.runId, event),
      ({ seq }) => [{ kind: 'event', seq }],
    );
  }

  /** Appends without being waited for; `room` and `settled` keep it from growing. */
  appendSoon(event: NewEvent, bytes: number): void {
    this.#inFlightBytes += bytes;
    const counted = async (): Promise<void> => {
      if ((await this.append(event)) !== undefined) this.#storedBytes += bytes;
    };
    const done: Promise<unknown> = counted().finally(() => {
      this.#inFlightBytes -= bytes;
      this.#inFlight.delete(done);
    });
    this.#inFlight.add(done);
  }

  /** Resolves once less than a bounded amount is on its way. */
  async room(): Promise<void> {
    while (this.#inFlightBytes > IN_FLIGHT_BYTES_MAX) await Promise.race(this.#inFlight);
  }

  /** Resolves once nothing is on its way. */
  async settled(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  async #write<T>(
    work: () => Promise<T>,
    acknowledged: (result: T) => readonly Acknowledged[],
  ): Promise<T | undefined> {
    let result: T;
    try {
      result = await work();
    } catch (error) {
      if (this.#failure === undefined) {
        this.#failure = { error };
        this.#hooks.onStopped?.(error);
      }
      return undefined;
    }
    for (const write of acknowledged(result)) {
      this.#acknowledged += 1;
      this.#hooks.onAcknowledged?.(this.#acknowledged, write);
    }
    return result;
  }
}

export const ofRun = ({ version }: Run): readonly Acknowledged[] => [{ kind: 'run', version }];
export const ofStep = ({ id, version }: Step): readonly Acknowledged[] => [
  { kind: 'step', stepId: id, version },
];
export const ofArtifact = ({ name, version }: Artifact): readonly Acknowledged[] => [
  { kind: 'artifact', name, version },
];
