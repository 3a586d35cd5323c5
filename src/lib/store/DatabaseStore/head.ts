import type { Database, Queryable } from '../../db.ts';
import { isStoreError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { fromCursor, type Identity } from '../commands/cursor.ts';
import { Signal } from '../commands/signal.ts';

/** How often somebody who waits looks for commits of other processes. Milliseconds. */
const POLL_MS = 500;
/** Commits of so long a time are told to other processes by one notification. Milliseconds. */
const TELL_MS = 10;
/** What a notification may take; then it is given up. Milliseconds. */
const TELLING_MS = 1_000;
/** Of a timer that does nothing. */
const STAY_MS = 2 ** 30;
const CHANNEL = 'holdfast_log';

/**
 * How far the log has come, as far as this process knows: by its own commits, by notifications of
 * other processes, and, since those may be lost, by looking. Either of the two is enough.
 */
export class LogHead {
  /** Notified when it has moved, or may have. */
  readonly changed = new Signal();
  position = 0;
  /** The time of the last commit that was seen: later ones are not earlier. Milliseconds since 1970. */
  atMs = 0;
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #line: Queryable;
  #telling: (() => void) | undefined;
  #listening: Promise<(() => Promise<void>) | undefined> | undefined;
  /** Counts what was heard of other processes, and how much of it the last look has answered. */
  #heard = 0;
  #answered = 0;
  /** The look that is under way, and the one that comes after it. */
  #looking: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #closed = false;

  /** `line`: where it looks. */
  constructor(db: Database, clock: Clock, line: Queryable) {
    this.#db = db;
    this.#clock = clock;
    this.#line = line;
  }

  /** Commits up to here are in the database. */
  reached(position: number): void {
    if (position <= this.position) return;
    this.position = position;
    this.changed.notify();
  }

  /** This process has made them: others are told, soon and outside of any commit. */
  made(position: number): void {
    this.reached(position);
    if (this.#db.dialect !== 'postgres' || this.#closed) return;
    this.#telling ??= this.#clock.after(TELL_MS, () => {
      this.#telling = undefined;
      void this.#tell();
    });
  }

  /** Who waits for it looks by itself: nothing depends on this. */
  async #tell(): Promise<void> {
    await this.#db.query(`NOTIFY ${CHANNEL}`, [], { timeoutMs: TELLING_MS }).catch(() => undefined);
  }

  /** Looks from now on: all who ask while one is under way share the next one. */
  look(): Promise<void> {
    this.#next ??= this.#looking.then(() => {
      this.#next = undefined;
      const look = this.#look();
      this.#looking = look.catch(() => undefined);
      return look;
    });
    return this.#next;
  }

  async #look(): Promise<void> {
    const heard = this.#heard;
    const sql = 'SELECT position, at_ms FROM holdfast_log_head';
    const { rows } = await this.#line.query<{ position: number; at_ms: number }>(sql);
    this.atMs = Math.max(this.atMs, rows[0]?.at_ms ?? 0);
    this.#answered = Math.max(this.#answered, heard);
    this.reached(rows[0]?.position ?? 0);
  }

  /** The position that a cursor stands for: one that is ahead of us may come from another process. */
  async positionOf(identity: Identity, cursor: string): Promise<number> {
    try {
      return fromCursor(identity, cursor, this.position);
    } catch (error) {
      if (!isStoreError(error, 'POSITION_EXPIRED')) throw error;
      await this.look();
      return fromCursor(identity, cursor, this.position);
    }
  }

  /** Resolves when the log may have moved past `position`, or `isOver`, or the signal aborts. */
  async wait(position: number, isOver: () => boolean, signal?: AbortSignal): Promise<void> {
    const isWaiting = () => this.position <= position && !isOver() && !isAborted(signal);
    this.#listen();
    // Connections and clocks keep no process alive; who waits for another process must stay.
    const stay = setInterval(() => undefined, STAY_MS);
    try {
      while (isWaiting()) {
        // What was heard since the last look began may be of a commit that it has not seen.
        if (this.#heard === this.#answered) await this.#stirred(signal);
        if (isWaiting()) await this.look();
      }
    } finally {
      clearInterval(stay);
    }
  }

  /** Something was heard, or made, or it is time to look. */
  async #stirred(signal?: AbortSignal): Promise<void> {
    const cancel = this.#clock.after(POLL_MS, () => this.changed.notify());
    try {
      await this.changed.wait(signal);
    } finally {
      cancel();
    }
  }

  /** Begins with the first who waits. Where it cannot be had, looking alone is right, if slower. */
  #listen(): void {
    if (this.#db.dialect !== 'postgres' || this.#closed) return;
    const wake = () => {
      this.#heard++;
      this.changed.notify();
    };
    this.#listening ??= this.#db.listen(CHANNEL, wake, { onGap: wake }).then(
      (stop) => {
        // What was committed before it listened was told to nobody here.
        wake();
        return stop;
      },
      () => (this.#listening = undefined),
    );
  }

  /** Lets go of everybody who waits. */
  async close(): Promise<void> {
    this.#closed = true;
    this.changed.notify();
    if (this.#telling !== undefined) {
      this.#telling();
      await this.#tell();
    }
    const stop = await this.#listening;
    await stop?.();
  }
}

function isAborted(signal?: AbortSignal): boolean {
  return signal?.aborted === true;
}
