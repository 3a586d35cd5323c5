import { basename } from 'node:path';
import { StoreError } from '../../errors.ts';
import type { EventRow } from '../../model/entities.ts';
import type { RunState } from '../../model/runState.ts';
import type { EventLines } from './eventTail.ts';
import type { FileOperationService } from './FileOperationService.ts';
import { mapBounded } from './runFiles/bounded.ts';
import { asDamage, PartDamaged } from './runFiles/damage.ts';
import { Inventory, type OnFinding, type StoredRun } from './runFiles/inventory.ts';
import { eventBytes, type RunPart, runPlace } from './runFiles/part.ts';
import { PartReader } from './runFiles/partReader.ts';
import { PartWriter } from './runFiles/partWriter.ts';
import type { Rows } from './runFiles/rows.ts';
import { firstAbsorbed } from './runFiles/tiers.ts';
import { verifyParts } from './runFiles/verify.ts';

export { asDamage };
export type { OnFinding, RunPart, StoredRun };

export interface RunFilesOptions {
  /** Memory for footers, by which a page of events is found. Default: 8 MiB. */
  readonly footerBytesMax?: number;
}

export interface PartInput {
  readonly runId: string;
  /** Read before the first await only; it may move on while the part is written. */
  readonly state: RunState;
  /** The commit up to which `state` is folded. */
  readonly position: number;
  readonly createdPosition: number;
  /** What stands already, oldest first. */
  readonly parts: readonly RunPart[];
  /** Those after the last one of `parts`, up to `state.lastSeq`. */
  readonly events: EventLines;
  readonly ended: boolean;
}

export interface WrittenPart {
  /** What now makes up the run, oldest first; the last one is new. */
  readonly parts: readonly RunPart[];
  /** What the new part took the place of: for `removeParts`, later. */
  readonly obsolete: readonly RunPart[];
  /** The new part. Until `syncParts` a crash may take it back. */
  readonly file: string;
  /** Bytes written. */
  readonly bytes: number;
  /** An older part that was to be absorbed and is damaged: it was left as it is. */
  readonly damage: StoreError | undefined;
}

const WIDTH = 8;
const FOOTER_BYTES_MAX = 8 * 1024 * 1024;

/**
 * The files of runs: what each looked like at a position. A run is a list of parts; each carries a
 * contiguous range of events and all rows of its time, so that the newest part's rows are the run.
 * One writer a run at a time. `DATA_CORRUPT` names file and byte; `NOT_FOUND` from a read says that
 * a part is not there: a newer one took its place meanwhile, or it is lost.
 */
export class RunFiles {
  readonly #files: FileOperationService;
  readonly #runsFolder: string;
  readonly #reader: PartReader;
  readonly #inventory: Inventory;
  /** Parts of deleted runs whose removal is not known to be durable. */
  readonly #removing = new Map<string, readonly number[]>();

  constructor(files: FileOperationService, runsFolder: string, options: RunFilesOptions = {}) {
    this.#files = files;
    this.#runsFolder = runsFolder;
    this.#reader = new PartReader(files, runsFolder, options.footerBytesMax ?? FOOTER_BYTES_MAX);
    this.#inventory = new Inventory(files, runsFolder);
  }

  /** Where the files of a run lie. */
  folderOf(runId: string): string {
    return runPlace(this.#runsFolder, runId).folder;
  }

  /**
   * Writes one part, which absorbs a suffix of the others by size. Its bytes are durable and it has
   * its name; the name is durable after `syncParts`. A failure leaves everything as it was.
   */
  async writePart(input: PartInput): Promise<WrittenPart> {
    const rows = takeRows(input);
    const { events } = input;
    const { runId, parts } = input;
    const folder = this.folderOf(runId);
    await this.#files.ensureFolder(folder);
    let from = firstAbsorbed(parts, events.bytes, input.ended);
    let damage: PartDamaged | undefined;
    for (;;) {
      const result = await this.#tryWrite(rows, parts, from, events);
      if (!('damaged' in result)) {
        const [kept, obsolete] = [parts.slice(0, from), parts.slice(from)];
        const file = this.#reader.path(runId, result.part);
        return { parts: [...kept, result], obsolete, file, bytes: result.bytes, damage };
      }
      // What cannot be read must not keep the new from becoming safe: it stays, and is reported.
      damage = result.damage;
      from = parts.indexOf(result.damaged) + 1;
    }
  }

  async #tryWrite(
    rows: Rows,
    parts: readonly RunPart[],
    from: number,
    events: EventLines,
  ): Promise<RunPart | { readonly damaged: RunPart; readonly damage: PartDamaged }> {
    const runId = rows.run.id;
    const number = (parts.at(-1)?.part ?? 0) + 1;
    const file = this.#reader.path(runId, number);
    await using staged = await this.#files.createStaged(file);
    const writer = new PartWriter(staged);
    await writer.rows(rows);
    const rowsBytes = writer.bytes;
    for (const part of parts.slice(from)) {
      const damage = await this.#absorb(runId, part, writer);
      if (damage !== undefined) return { damaged: part, damage };
    }
    for (const { seq, line } of events.lines()) await writer.copied(seq, line);
    writer.copiedKeys(events.keyed);
    const { bytes: start } = writer;
    const footer = await writer.footer(rows, number, (parts[from - 1]?.part ?? 0) + 1);
    await staged.commit(file, { syncFolder: false });
    this.#reader.remember(runId, footer, start);
    const { first: firstSeq, last: lastSeq, keyed } = footer.events;
    const { position } = rows;
    return { part: number, position, bytes: writer.bytes, rowsBytes, firstSeq, lastSeq, keyed };
  }

  async #absorb(
    runId: string,
    part: RunPart,
    writer: PartWriter,
  ): Promise<PartDamaged | undefined> {
    if (eventBytes(part) === 0) return undefined;
    const lines = this.#reader.rawEvents(runId, part);
    for (;;) {
      let next: IteratorResult<{ seq: number; line: Buffer }, void>;
      try {
        next = await lines.next();
      } catch (error) {
        const damage = asDamage(error, this.#reader.path(runId, part.part));
        if (damage === undefined) throw error;
        return damage;
      }
      if (next.done === true) break;
      await writer.copied(next.value.seq, next.value.line);
    }
    writer.copiedKeys(part.keyed);
    return undefined;
  }

  /** Makes the names of new parts durable: one sync for all in a folder. */
  async syncParts(written: readonly WrittenPart[]): Promise<void> {
    await this.#files.syncNames(written.map(({ file }) => file));
  }

  /** Makes what these folders hold durable, also what was found there. */
  async #syncFolders(folders: ReadonlySet<string>): Promise<void> {
    const synced = mapBounded(folders, WIDTH, (folder) => this.#files.syncFolder(folder));
    for await (const _ of synced);
  }

  /**
   * Makes durable what opening found in these folders, and what it did not find any more: a process
   * that was killed may have named a file, or removed one, and not come to the sync. The log must
   * keep what the file holds, or the word that it was deleted, until then (W7).
   */
  async syncFound(folders: ReadonlySet<string>): Promise<void> {
    if (folders.size === 0) return;
    await this.#files.syncFolder(this.#runsFolder);
    const found = new Set(await this.#inventory.folders());
    await this.#syncFolders(new Set([...folders].filter((folder) => found.has(basename(folder)))));
  }

  /**
   * IMPORTANT: only when the part that took their place is durable, its name too, and so is the
   * word of the index that names it (W8).
   */
  async removeParts(runId: string, obsolete: readonly RunPart[]): Promise<void> {
    await this.#remove(
      runId,
      obsolete.map(({ part }) => part),
    );
  }

  /** What a crash left of replaced parts; first the names of those that replaced them are durable. */
  async removeObsolete(runs: readonly StoredRun[]): Promise<void> {
    const left = runs.filter(({ obsolete }) => obsolete.length > 0);
    await this.#syncFolders(new Set(left.map(({ runId }) => this.folderOf(runId))));
    for (const { runId, obsolete } of left) await this.removeParts(runId, obsolete);
  }

  /**
   * A power cut keeps any of these removals and loses any other. Of replaced parts all may stay; of a
   * deleted run a part may stay without those before it: the deletion in the log settles that.
   */
  async #remove(runId: string, numbers: readonly number[]): Promise<void> {
    for (const number of numbers.toSorted((a, b) => b - a)) {
      const file = this.#reader.path(runId, number);
      this.#reader.forget(file);
      await this.#files.remove(file);
    }
  }

  /**
   * Removes all files of a deleted run, those too that `parts` does not name, durably. Before a run
   * of the same id is written again.
   */
  async removeRun(runId: string, parts: readonly RunPart[] = []): Promise<void> {
    const folder = this.folderOf(runId);
    await this.#files.ensureFolder(folder);
    const known = [...parts.map(({ part }) => part), ...(this.#removing.get(runId) ?? [])];
    const numbers = new Set([...known, ...(await this.#inventory.numbers(runId))]);
    // It is synced even if nothing is found: the one who removed it may not have come to that.
    if (numbers.size === 0) return this.#files.syncFolder(folder);
    this.#removing.set(runId, [...numbers]);
    const files = [...numbers].map((number) => this.#reader.path(runId, number));
    for (const file of files) this.#reader.forget(file);
    await this.#files.removeAll(files);
    this.#removing.delete(runId);
  }

  /** The run as its newest part has it, by one read of the disk. */
  async readRows(
    runId: string,
    parts: readonly RunPart[],
  ): Promise<{ state: RunState; position: number; createdPosition: number }> {
    const newest = parts.at(-1);
    if (newest === undefined) {
      throw new StoreError('NOT_FOUND', `run ${runId} has no run file`, { id: runId });
    }
    return this.#reader.rows(runId, newest);
  }

  /**
   * The events after `afterSeq`, ascending, exactly `limit` of them while there are as many. A page
   * costs one read a part, and one more for a footer that memory does not hold.
   */
  async readEvents(
    runId: string,
    parts: readonly RunPart[],
    afterSeq: number,
    limit: number,
  ): Promise<EventRow[]> {
    const found: EventRow[] = [];
    let expected = 1;
    for (const part of parts) {
      if (part.firstSeq === 0) continue;
      if (found.length >= limit) break;
      const isGap = part.firstSeq > Math.max(expected, afterSeq + 1);
      if (isGap) {
        const file = this.#reader.path(runId, part.part);
        const missing = `events ${expected} to ${part.firstSeq - 1} before it are missing`;
        throw new PartDamaged(file, part.rowsBytes, missing);
      }
      expected = part.lastSeq + 1;
      if (part.lastSeq <= afterSeq) continue;
      const first = Math.max(afterSeq + 1, part.firstSeq);
      const last = Math.min(part.lastSeq, first + limit - found.length - 1);
      for await (const event of this.#reader.events(runId, part, first, last)) found.push(event);
    }
    return found;
  }

  /** Each idempotency key of the events, and the event's seq; parts without any are not read. */
  async *readKeys(
    runId: string,
    parts: readonly RunPart[],
  ): AsyncGenerator<{ key: string; seq: number }, void, undefined> {
    for (const part of parts) {
      if (part.keyed === 0) continue;
      const events = this.#reader.events(runId, part, part.firstSeq, part.lastSeq);
      for await (const { idempotencyKey: key, seq } of events) if (key !== null) yield { key, seq };
    }
  }

  /**
   * Every run that has files, from the files alone: for building the index anew. A run whose newest
   * part is damaged is left out. Without `onFinding` the first thing that is wrong is thrown.
   */
  async *list(onFinding: OnFinding = refuse): AsyncGenerator<StoredRun, void, undefined> {
    for (const folder of await this.#inventory.folders()) {
      const bases = await this.#inventory.bases(folder);
      const runs = mapBounded(bases, WIDTH, ([base, numbers]) =>
        this.#inventory.inspect(folder, base, numbers, onFinding),
      );
      for await (const run of runs) if (run !== undefined) yield run;
    }
  }

  /** What `list` has for one run; `undefined` when it has no files. */
  inspect(runId: string, onFinding: OnFinding = refuse): Promise<StoredRun | undefined> {
    return this.#inventory.inspectRun(runId, onFinding);
  }

  /** Reads every line of every part. What is wrong is told to `onFinding`, and reading goes on. */
  verifyRun(runId: string, parts: readonly RunPart[], onFinding: OnFinding): Promise<void> {
    return verifyParts(this.#files, this.#reader, runId, parts, onFinding);
  }
}

/** A file that the index names is not there: the run is, so `NOT_FOUND` would be a lie. */
export function lostPart(cause: StoreError, runId: string): StoreError {
  const message = `a file of run ${runId} is missing: ${cause.message}`;
  return new StoreError('DATA_CORRUPT', message, { id: runId, cause });
}

function refuse({ code, message }: Parameters<OnFinding>[0], runId: string | undefined): never {
  throw new StoreError(code, message, runId === undefined ? {} : { id: runId });
}

/** Rows never change; the collections that hold them do. */
function takeRows({ runId, state, position, createdPosition, parts, events }: PartInput): Rows {
  const { run, lastSeq } = state;
  const stored = parts.at(-1)?.lastSeq ?? 0;
  const goesOn = events.count === 0 || events.firstSeq === stored + 1;
  if (run?.id !== runId || !goesOn || stored + events.count !== lastSeq) {
    const what = `event ${stored} is stored, ${events.count} are new, ${lastSeq} is the last`;
    throw new StoreError('DATA_CORRUPT', `run ${runId} cannot be written: ${what}`, { id: runId });
  }
  const steps = [...state.steps.values()];
  const artifacts = [...state.artifacts.values()].flat();
  return { run, position, createdPosition, lastSeq, steps, artifacts };
}
