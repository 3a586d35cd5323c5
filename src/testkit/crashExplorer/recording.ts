import type { Clock, FileSystem, Random, Store } from '../../index.ts';
import type { ManualClock } from '../manualClock.ts';
import type { DiskEvent, SimulatedDisk } from '../simulatedDisk.ts';
import type { Ledger } from './ledger.ts';
import { type Side, SideHistory } from './side.ts';
import { Stage } from './stage.ts';

/** What a store stands on, in the simulation. */
export interface World {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
}

/** Opens the store that is on a disk, or makes it. */
export type OpenInWorld = (world: World) => Promise<Store>;

/** The store that is put to the proof. */
export interface Subject {
  readonly open: OpenInWorld;
  readonly side?: Side | undefined;
  readonly onEvent?: ((n: number) => void) | undefined;
}

/** Work for a store, to be crashed at every operation that it made the disk do. */
export interface Workload {
  readonly name: string;
  readonly run: (stage: Stage) => Promise<void>;
}

/** A workload as it went: all that its disk was made to do, and all that its callers were told. */
export interface Recording {
  readonly events: readonly DiskEvent[];
  /** The first event at which a crash is of interest: before, the disk was prepared. */
  readonly from: number;
  readonly ledger: Ledger;
  /** The time at its end. Milliseconds since 1970. */
  readonly ms: number;
  readonly side: SideHistory | undefined;
}

/** Takes down what is beside the disk at each event of it. */
function watchSide({ side }: Subject) {
  if (side === undefined) return undefined;
  const history = new SideHistory();
  return { history, onEvent: (n: number) => history.add(n, side.take()) };
}

const PINNED_SHARE = 0.4;

/** Plays a workload once, without any crash. */
export async function record(
  workload: Workload,
  seed: number,
  subject: Subject,
): Promise<Recording> {
  const side = watchSide(subject);
  const stage = await Stage.begin(seed, { ...subject, ...side });
  // Where a reader holds on to all of the log, no cursor may ever expire.
  if (stage.random.chance(PINNED_SHARE)) await stage.pin('from the beginning');
  await workload.run(stage);
  await stage.end();
  const { disk, ledger, clock } = stage;
  return { events: disk.events, from: 0, ledger, ms: clock.ms, side: side?.history };
}

/** What a crash left, and what had been promised by then. */
export interface Remains {
  readonly disk: SimulatedDisk;
  readonly clock: ManualClock;
  /** Of the time before the crash. */
  readonly ledger: Ledger;
  /** How many events of that disk there had been. */
  readonly events: number;
}

/**
 * The next process opens what a crash left, writes, and closes it; itself to be crashed anywhere.
 * `undefined` where commits are there of which nobody was told.
 */
export async function recordRecovery(
  remains: Remains,
  subject: Subject,
): Promise<Recording | undefined> {
  const { disk, clock } = remains;
  const side = watchSide(subject);
  if (side !== undefined) disk.onEvent = side.onEvent;
  const from = disk.events.length;
  const stage = await Stage.goOn(remains, subject);
  if (stage === undefined) return undefined;
  for (let n = 0; n < 2; n++) {
    const mark = stage.mark();
    const run = { id: `in the second life ${n}`, workflow: 'w', input: mark };
    await stage.call([mark], (store) => store.runs.create(run));
  }
  await stage.close();
  await stage.end();
  return { events: disk.events, from, ledger: stage.ledger, ms: clock.ms, side: side?.history };
}
