import { isStoreError } from '../../errors.ts';
import { isDeepStrictEqual } from 'node:util';
import type { Finding, VerifyOptions, VerifyReport } from '../contract.ts';
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
    this.#options.signal?.throwIfAborted();
    this.bytes += bytes;
    this.#options.onProgress?.(this.bytes, Math.max(this.total, this.bytes));
  }

  found(code: Finding['code'], file: string, message: string): void {
    this.findings.push({ code, file, message });
  }

  /** Runs a check; damage becomes a finding, anything else fails as it is. */
  async guard(file: string, check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      if (isStoreError(error, 'JOURNAL_CORRUPT') || isStoreError(error, 'DATA_CORRUPT')) {
        this.found(
          error.code === 'JOURNAL_CORRUPT' ? error.code : 'DATA_CORRUPT',
          file,
          error.message,
        );
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
  await verifyJournal(rooms, verification);
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
    const place = journal.log.placeAfter(journal.log.oldest);
    for await (const frame of journal.log.frames(place, 0, journal.durable)) {
      verification.commits++;
      if (frame.position % 1_000 === 0) verification.read(0);
    }
    verification.read(journal.bytes);
  });
}

async function verifyRun(
  { runFiles, index, runs }: Checked,
  verification: Verification,
  runId: string,
  blobs: Map<string, number>,
): Promise<void> {
  const live = runs.peek(runId);
  const parts = live?.parts ?? index.get(runId)?.parts;
  if (parts === undefined) return;
  verification.total += parts.reduce((sum, { bytes }) => sum + bytes, 0);
  await runFiles.verifyRun(runId, parts, (finding) => verification.findings.push(finding));
  for (const part of parts) verification.read(part.bytes);
  let state = live?.durable;
  if (state === undefined && parts.length > 0)
    state = (await runFiles.readRows(runId, parts)).state;
  if (state === undefined) return;
  verification.events += state.lastSeq;
  for (const versions of state.artifacts.values()) {
    for (const { digest, size } of versions) blobs.set(digest, size);
  }
  const indexed = index.get(runId)?.row;
  if (live === undefined && indexed !== undefined && !isDeepStrictEqual(indexed, state.run)) {
    verification.found('DATA_CORRUPT', `run ${runId}`, 'the index differs from the run file');
  }
}
