import type { FileSystem, Run, Step } from '../index.ts';
import { look } from './recording/processIdentity.ts';
import { isCommandLine, recorderOf, sameNamespace } from './recording/recorderIdentity.ts';
import { isDatabase } from './storeFolder.ts';

/** Where a run is looked at from. */
interface Place {
  readonly url: string;
  readonly context: { readonly fileSystem: FileSystem };
}

type Item = Run | Step;

/** The names of recorders of which is known that they are gone. */
export type Gone = ReadonlySet<string>;

/** `unknown`: it is elsewhere, or its number says nothing here. */
export type RecorderState = 'alive' | 'gone' | 'unknown';

/**
 * What is known of the recorder of a run or step that is `running`. The recorder of a folder owns it
 * while it lives, and so whoever could open that has come after its end. A database is open to many:
 * there a recorder is gone only when it ran in these very process numbers, and is not among them.
 * (A lease of the run, once runs have one, is what to look at here.)
 */
export async function recorderState(place: Place, item: Item): Promise<RecorderState> {
  const worker = workerOf(item);
  if (!isDatabase(place.url)) return isCommandLine(worker) ? 'gone' : 'unknown';
  const recorder = recorderOf(worker);
  if (recorder === undefined) return 'unknown';
  const { fileSystem } = place.context;
  if (!(await sameNamespace(fileSystem, recorder))) return 'unknown';
  const state = await look(fileSystem, recorder);
  return state === 'maybe' ? 'unknown' : state;
}

/** Those recorders of what is `running` that are known to be gone. */
export async function goneRecorders(place: Place, items: Iterable<Item>): Promise<Gone> {
  const gone = new Set<string>();
  for (const item of items) {
    const worker = workerOf(item);
    if (item.status !== 'running' || worker === null || gone.has(worker)) continue;
    if ((await recorderState(place, item)) === 'gone') gone.add(worker);
  }
  return gone;
}

/** Whether its recorder died in the middle, as far as that is known. */
export function isInterrupted(item: Item, gone: Gone): boolean {
  return item.status === 'running' && gone.has(workerOf(item) ?? '');
}

/** Who runs it, or ran it last. */
export function workerOf({ attempts }: Item): string | null {
  return attempts.at(-1)?.worker ?? null;
}

/** From the first start, over all attempts, to the end; what still runs ends at `now`. */
export function tookMs(run: Run, now: number): number | undefined {
  const start = run.attempts[0]?.startedAt ?? run.startedAt;
  if (start === null) return undefined;
  return Math.max(0, (run.endedAt?.getTime() ?? now) - start.getTime());
}
