import { isStoreError, StoreError } from '../../errors.ts';
import { isDeepStrictEqual } from 'node:util';
import type { Finding, VerifyOptions, VerifyReport } from '../contract.ts';
import { Damaged } from './damaged.ts';
import type { Rooms } from './rooms.ts';

type Checked = Omit<Rooms, 'close'>;

/** Counts what was read, and collects what is wrong; a finding never ends the search. */
class Verification {
  readonly findings: Finding[] = [];
  commits = 0;
  runs = 0;
  events = 0;
  blobs = 0;
  bytes = 0;
  total = 0;
  readonly #options: VerifyOptions;

  constructor(options: VerifyOptions) {
    this.#options = options;
  }

  read(bytes: number): void {
    const { signal } = this.#options;
    if (signal?.aborted === true) {
      throw new StoreError('ABORTED', 'verify was aborted', { cause: signal.reason });
    }
    this.bytes += bytes;
    this.#options.onProgress?.(this.bytes, Math.max(this.total, this.bytes));
  }

  found(finding: Finding): void {
    this.findings.push(finding);
  }

  /** Runs a check; damage becomes a finding, anything else fails as it is. */
  async guard(file: string, check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      if (error instanceof Damaged) this.found(error.finding);
      else if (isStoreError(error, 'DATA_CORRUPT')) {
        this.found({ code: 'DATA_CORRUPT', file, message: error.message });
      } else throw error;
    }
  }

  report(): VerifyReport {
    const { findings, commits, runs, events, blobs, bytes } = this;
    return { findings, commits, runs, events, blobs, bytes };
  }
}

/**
 * Reads the journal, every run file and every blob that an artifact names, and compares them with
 * their checksums and the index. Writes go on meanwhile.
 */
export async function verifyStore(rooms: Checked, options: VerifyOptions): Promise<VerifyReport> {
  const verification = new Verification(options);
  await rooms.flusher.flush();
  verification.total = rooms.journal.bytes;
  // A read-only store serves what stands before the damage, and knows of it.
  if (rooms.damage !== undefined) verification.found(rooms.damage.finding);
  await verifyJournal(rooms, verification);
  for (const finding of rooms.index.damages.values()) verification.found(finding);
  const blobs = new Map<string, number>();
  for (const indexed of rooms.index.each()) {
    const runId = indexed.row.id;
    verification.runs++;
    await verification.guard(`run ${runId}`, () => verifyRun(rooms, verification, runId, blobs));
  }
  for (const [digest, size] of blobs) {
    await verification.guard(rooms.layout.blob(digest), async () => {
      for await (const chunk of rooms.blobs.open({ digest, size })) verification.read(chunk.length);
      verification.blobs++;
    });
  }
  return verification.report();
}

async function verifyJournal(
  { journal, layout }: Checked,
  verification: Verification,
): Promise<void> {
  await verification.guard(layout.journal, async () => {
    const { durable } = journal;
    for (let from = journal.log.oldest; from < durable;) {
      try {
        const place = journal.log.placeAfter(from);
        for await (const { position } of journal.log.frames(place, from, durable)) {
          from = position;
          verification.commits++;
          if (position % 1_000 === 0) verification.read(0);
        }
      } catch (error) {
        // Segments were removed while they were read: their runs are in files by now.
        if (!isStoreError(error, 'POSITION_EXPIRED') || journal.log.oldest <= from) throw error;
        from = journal.log.oldest;
      }
    }
    verification.read(journal.bytes);
  });
}

async function verifyRun(
  rooms: Checked,
  verification: Verification,
  runId: string,
  blobs: Map<string, number>,
): Promise<void> {
  const { runFiles, index, runs } = rooms;
  const live = runs.peek(runId);
  const partsNow = () => (runs.peek(runId) ?? index.get(runId))?.parts;
  const parts = partsNow();
  if (parts === undefined) return;
  const findings: Finding[] = [];
  await runFiles.verifyRun(runId, parts, (finding) => findings.push(finding));
  if (findings.length > 0) {
    // A merge may have replaced files while they were read: look again where the run is now.
    if (!isDeepStrictEqual(partsNow(), parts)) return verifyRun(rooms, verification, runId, blobs);
    verification.findings.push(...findings);
    return;
  }
  verification.total += parts.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const part of parts) verification.read(part.bytes);
  let state = live?.durable;
  if (state === undefined && parts.length > 0)
    state = (await runFiles.readRows(runId, parts)).state;
  if (state === undefined) return;
  verification.events += state.lastSeq;
  for (const { digest, size } of state.liveArtifacts()) blobs.set(digest, size);
  const indexed = index.get(runId)?.row;
  if (live === undefined && indexed !== undefined && !isDeepStrictEqual(indexed, state.run)) {
    const message = 'the index differs from the run file';
    verification.found({ code: 'DATA_CORRUPT', file: `run ${runId}`, message });
  }
}
