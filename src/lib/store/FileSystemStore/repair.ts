import { basename, join } from 'node:path';
import { isStoreError } from '../../errors.ts';
import type { Finding, RepairReport } from '../contract.ts';
import { RunIndex } from '../index/RunIndex.ts';
import { forgetClosedMark } from './closing.ts';
import type { FileOperationService } from './FileOperationService.ts';
import { openLine, parseFrame, scanLines } from './frame.ts';
import { EMPTY_JOURNAL, type RecoveredJournal, segmentNumbers, SegmentWriter } from './journal.ts';
import type { Layout } from './layout.ts';
import { type Environment, openRooms, type Rooms } from './rooms.ts';
import { changeTimeline } from './storeIdentity.ts';
import { verifyStore } from './verify.ts';

/**
 * Makes a store with a damaged journal writable again; an explicit act, never done by opening. Runs
 * keep what their files and the journal before the damage say. The journal as it was is copied first,
 * durably; then a new one begins, past every position that was ever used, in a new timeline.
 */
export async function repairRooms(root: string, environment: Environment): Promise<RepairReport> {
  const damage = await findDamage(root, environment);
  if (!('journal' in damage)) return damage;
  const rooms = await openRooms(root, { ...environment, readOnly: true });
  try {
    const { files, layout, journal, checkpointer, clock } = rooms;
    const numbers = await segmentNumbers(files, layout);
    const dropped = await surveyBehind(files, layout, numbers, journal.durable);
    const keptIn = await keepCopy(files, layout, numbers, clock.now());
    const commitsKept = journal.durable;
    let position = Math.max(commitsKept, dropped.position);
    for (const { position: saved } of rooms.index.each()) position = Math.max(position, saved);
    await checkpointer.finish();
    const report: RepairReport = {
      keptIn,
      segmentsKept: numbers.length,
      commitsKept,
      commitsDropped: dropped.commits,
      bytesDropped: dropped.bytes,
      findings: [damage.journal],
    };
    await beginAnew(rooms, environment, numbers, position);
    return report;
  } finally {
    await rooms.close();
  }
}

/** Opens and checks the store as it is: only a journal that does not open is repaired. */
async function findDamage(
  root: string,
  environment: Environment,
): Promise<RepairReport | { readonly journal: Finding }> {
  try {
    const rooms = await openRooms(root, environment);
    try {
      const { findings, commits } = await verifyStore(rooms, {});
      const journal = findings.find(({ code }) => code === 'JOURNAL_CORRUPT');
      if (journal !== undefined) return { journal };
      const nothing = { keptIn: null, segmentsKept: 0, commitsDropped: 0, bytesDropped: 0 };
      return { ...nothing, commitsKept: commits, findings };
    } finally {
      await rooms.close();
    }
  } catch (error) {
    if (!isStoreError(error, 'JOURNAL_CORRUPT')) throw error;
    const { id: file = root, message } = error;
    return { journal: { code: 'JOURNAL_CORRUPT', file, message } };
  }
}

/** What can still be read of the commits behind the damage. */
async function surveyBehind(
  files: FileOperationService,
  layout: Layout,
  numbers: readonly number[],
  durable: number,
): Promise<{ readonly commits: number; readonly bytes: number; readonly position: number }> {
  let [bytes, position] = [0, 0];
  const seen = new Set<number>();
  for (const number of numbers) {
    const file = layout.segment(number);
    const read = (at: number, length: number) => files.readRange(file, at, length);
    for await (const { line, start, end } of scanLines(read, 0, await files.size(file))) {
      const opened = openLine(line);
      const frame = opened === undefined ? undefined : parseFrame(opened);
      if (frame === undefined || frame.position <= durable) continue;
      if (!seen.has(frame.position)) bytes += end - start;
      seen.add(frame.position);
      position = Math.max(position, frame.position);
    }
  }
  return { commits: seen.size, bytes, position };
}

async function keepCopy(
  files: FileOperationService,
  layout: Layout,
  numbers: readonly number[],
  now: number,
): Promise<string> {
  const name = new Date(now).toISOString().replaceAll(':', '-');
  const folder = join(layout.root, 'repaired', name, 'journal');
  await files.ensureFolder(folder);
  for (const number of numbers) {
    const from = layout.segment(number);
    await files.writeStream(join(folder, basename(from)), files.readStream(from));
  }
  return folder;
}

/** W8: the runs are in their files and the copy is durable before the old journal goes. */
async function beginAnew(
  { files, layout, identity }: Rooms,
  { fs, tuning, clock }: Environment,
  numbers: readonly number[],
  position: number,
): Promise<void> {
  await forgetClosedMark(files, layout);
  for (const file of RunIndex.filesOf(layout.indexDatabase)) await files.remove(file);
  const timeline = { ...identity, timeline: identity.timeline + 1 };
  const recovered: RecoveredJournal = {
    ...EMPTY_JOURNAL,
    newest: { segment: numbers.at(-1) ?? 0, byte: 0, position, checksum: '00000000' },
  };
  const writer = new SegmentWriter({ fs, files, layout, identity: timeline, tuning, recovered });
  try {
    await writer.begin([], new Date(clock.now()).toISOString());
    await writer.seal();
  } finally {
    await writer.abandon();
  }
  for (const number of numbers) await files.remove(layout.segment(number));
  await files.syncFolder(layout.journal);
  await changeTimeline(files, layout, timeline);
}
