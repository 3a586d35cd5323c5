import { isDeepStrictEqual } from 'node:util';
import { type Commit, isStoreError, type PublicChange, type Store } from '../../../../src/index.ts';

interface Seen {
  readonly cursor: string;
  readonly at: Date;
  readonly changes: readonly PublicChange[];
}

/** Watches one instance of a store, and goes on where it was when its connection is lost. */
export class Follower {
  readonly commits: Seen[] = [];
  readonly #end = new AbortController();
  readonly #following: Promise<void>;
  #last: string;
  #failure: Error | undefined;

  constructor(store: Store, after: string) {
    this.#last = after;
    this.#following = this.#follow(store);
  }

  /** How far it has come. */
  get position(): number {
    if (this.#failure !== undefined) throw this.#failure;
    return positionOf(this.#last);
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#following;
  }

  async #follow(store: Store): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted && store.status === 'open') {
      try {
        for await (const commit of store.watch({ after: this.#last, signal })) this.#see(commit);
      } catch (error) {
        if (isStoreError(error) && LOST.has(error.code)) continue;
        this.#failure ??= new Error('a watcher was refused', { cause: error });
        return;
      }
    }
  }

  #see({ position, at, changes }: Commit): void {
    this.#last = position;
    this.commits.push({ cursor: position, at, changes });
  }
}

const LOST: ReadonlySet<string> = new Set(['STORAGE_FAILED', 'STORE_CLOSED']);

/** The number inside of a cursor, which is opaque to everybody else. */
export function positionOf(cursor: string): number {
  return Number(Buffer.from(cursor, 'base64url').toString().split('.')[1]);
}

/** What is wrong with what the followers of one log have seen from `start` on; none when all is well. */
export function disagreements(start: string, logs: readonly (readonly Seen[])[]): string[] {
  const longest = logs.toSorted((a, b) => b.length - a.length)[0] ?? [];
  const problems: string[] = [];
  for (const [n, { cursor, at }] of longest.entries()) {
    const [position, due] = [positionOf(cursor), positionOf(start) + n + 1];
    if (position !== due) problems.push(`position ${position} where ${due} was due`);
    if (at < (longest[n - 1]?.at ?? at)) problems.push(`time went back at ${position}`);
  }
  for (const log of logs) {
    const n = log.findIndex((commit, at) => !isDeepStrictEqual(commit, longest[at]));
    if (n >= 0) problems.push(`two watchers saw different commits at ${positionOf(start) + n + 1}`);
  }
  return [...problems, ...gapsOfEvents(longest)];
}

/** The events of each run are numbered 1, 2, 3…, from its creation to its end. */
function gapsOfEvents(log: readonly Seen[]): string[] {
  const last = new Map<string, number>();
  const problems: string[] = [];
  for (const change of log.flatMap(({ changes }) => changes)) {
    if (change.type === 'run.deleted') last.delete(change.runId);
    if (change.type !== 'event.appended') continue;
    const due = (last.get(change.runId) ?? 0) + 1;
    const { seq } = change.event;
    if (seq !== due) problems.push(`run ${change.runId}: event ${seq} where ${due} was due`);
    last.set(change.runId, seq);
  }
  return problems;
}
