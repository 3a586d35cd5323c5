import { isStoreError, type OpenOptions, type RepairReport, type Store } from '../index.ts';
import type { CommandContext } from './context.ts';
import { CommandError, EXIT, EXIT_OF_CODE } from './failure.ts';
import { isDatabase, noStore, requireStore } from './storeFolder.ts';
import type { StatusLine } from './terminal.ts';
import { plain } from './text.ts';

export type Mode = 'read' | 'write';

/** Who opens which store: a use of a verb. */
interface Opener {
  readonly context: CommandContext;
  readonly url: string;
  readonly waitMs: number;
  readonly json: boolean;
  readonly status: StatusLine;
  note(text: string): Promise<void>;
}

/** What a verb was given to work with. */
export interface Opened {
  readonly store: Store;
  /** The journal is damaged, and only what stands before that is there, to be read. */
  readonly damaged: boolean;
}

/** Verbs that only look make no store, and look at a damaged one too. */
export async function openForVerb(call: Opener, mode: Mode): Promise<Opened> {
  const { openStore, cwd, fileSystem } = call.context;
  if (mode === 'write') {
    return { store: await waited(call, (options) => openStore(call.url, options)), damaged: false };
  }
  await requireStore(call.url, cwd, fileSystem);
  try {
    const create = false;
    const open = (options: OpenOptions) => openStore(call.url, { ...options, create });
    return { store: await waited(call, open), damaged: false };
  } catch (error) {
    if (!isStoreError(error, 'JOURNAL_CORRUPT')) throw error;
    // What stands before the damage can still be seen; it takes longer, for nothing is trusted.
    await call.note(`holdfast: ${plain(error.message)} — shown is what stands before it`);
    const open = (options: OpenOptions) => openStore(call.url, { ...options, readOnly: true });
    return { store: await waited(call, open), damaged: true };
  }
}

export function repairForVerb(call: Opener): Promise<RepairReport> {
  return waited(call, (options) => call.context.repairStore(call.url, options));
}

/** Tries at once; when another process has the store, says that it waits, and then does. */
async function waited<T>(call: Opener, open: (options: OpenOptions) => Promise<T>): Promise<T> {
  const { waitMs: lockWaitMs } = call;
  call.status.show(() => `opening ${plain(call.url)} …`);
  try {
    try {
      return await open({ lockWaitMs: 0 });
    } catch (error) {
      if (!isStoreError(error, 'STORE_LOCKED') || lockWaitMs === 0) throw error;
    }
    const waiting = `${plain(call.url)} is in use: waiting for it, ${lockWaitMs / 1_000}s at most …`;
    if (call.context.terminal.stderr) call.status.show(() => waiting);
    else if (!call.json) await call.note(`holdfast: ${waiting}`);
    return await open({ lockWaitMs });
  } catch (error) {
    throw advised(call, error);
  } finally {
    await call.status.clear();
  }
}

/** What failed says itself what to do; added is what the command line can do about it. */
function advised(call: Opener, error: unknown): unknown {
  if (isStoreError(error, 'NOT_FOUND')) return noStore(call.url, error);
  if (isStoreError(error, 'STORE_LOCKED')) {
    return new CommandError(error.message, '`--wait 5m` waits longer', EXIT.locked, error);
  }
  if (isStoreError(error, 'DATA_CORRUPT')) {
    const remedy = isDatabase(call.url)
      ? 'restore the database from a backup'
      : 'the store does not open like this, and `holdfast repair` mends only a journal';
    return new CommandError(error.message, remedy, EXIT.corrupt, error);
  }
  if (isStoreError(error, 'INVALID_ARGUMENT')) {
    const remedy = isDatabase(call.url)
      ? 'correct the URL of the database'
      : 'give the folder of a store with --store';
    return new CommandError(error.message, remedy, EXIT_OF_CODE[error.code], error);
  }
  return error;
}
