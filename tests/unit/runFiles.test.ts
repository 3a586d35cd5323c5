import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { EventRow } from '../../src/lib/model/entities.ts';
import {
  EMPTY_ARTIFACT,
  EMPTY_EVENT,
  EMPTY_RUN,
  EMPTY_STEP,
} from '../../src/lib/model/represent.ts';
import { RunState } from '../../src/lib/model/runState.ts';
import { type FileSystem, realFileSystem } from '../../src/lib/ports/fileSystem.ts';
import type { Finding } from '../../src/lib/store/contract.ts';
import { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';
import { sealLine } from '../../src/lib/store/FileSystemStore/frame.ts';
import { OffsetTable } from '../../src/lib/store/FileSystemStore/runFiles/footer.ts';
import {
  RunFiles,
  type RunPart,
  type WrittenPart,
} from '../../src/lib/store/FileSystemStore/runFiles.ts';

const KiB = 1024;
const at = '2026-01-02T03:04:05.678Z';

let root: string;
/** Opens for reading, and folder syncs, since the test last set them to 0. */
let reads: number;
let folderSyncs: number;
/** Set by a test: the write that fails, counted down. */
let failWrite: number;
let files: RunFiles;

/** The real disk, counted, and failing on demand. */
function watched(): FileSystem {
  const open: FileSystem['open'] = async (path, flags, mode) => {
    const handle = await realFileSystem.open(path, flags, mode);
    const isFolder = (await handle.stat()).isDirectory();
    if (flags === 0 && !isFolder) reads++;
    return {
      read: (...args) => handle.read(...args),
      write: (...args) => {
        if (--failWrite === 0) throw Object.assign(new Error('injected'), { code: 'EIO' });
        return handle.write(...args);
      },
      stat: () => handle.stat(),
      truncate: (length) => handle.truncate(length),
      sync: () => {
        if (isFolder) folderSyncs++;
        return handle.sync();
      },
      datasync: () => handle.datasync(),
      close: () => handle.close(),
    };
  };
  return { ...realFileSystem, open };
}

const fresh = (): RunFiles => new RunFiles(new FileOperationService(watched()), join(root, 'runs'));

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-run-files-'));
  [reads, folderSyncs, failWrite] = [0, 0, 0];
  files = fresh();
});
afterEach(() => rm(root, { recursive: true, force: true }));

const event = (seq: number, bytes = 100, key: string | null = null): EventRow => ({
  ...EMPTY_EVENT,
  seq,
  type: 'note',
  payload: JSON.stringify(`${seq} `.padEnd(bytes, 'x')),
  idempotencyKey: key,
  occurredAt: at,
  recordedAt: at,
});

/** A run that grows: what memory and checkpointer do together. */
class Growing {
  readonly state = new RunState();
  readonly id: string;
  readonly all: EventRow[] = [];
  parts: readonly RunPart[] = [];
  position = 1;

  constructor(id: string) {
    this.id = id;
    const run = { ...EMPTY_RUN, id, version: 1, workflow: 'w', input: '{"a":1}', createdAt: at };
    this.state.apply({ type: 'run.created', runId: id, run });
  }

  append(count: number, bytes?: number, keyed = false): EventRow[] {
    const first = this.state.lastSeq + 1;
    const added = Array.from({ length: count }, (_, i) =>
      event(first + i, bytes, keyed ? `key ${first + i}` : null),
    );
    for (const row of added) {
      this.state.apply({ type: 'event.appended', runId: this.id, event: row });
    }
    this.all.push(...added);
    this.position += count;
    return added;
  }

  async save(events: readonly EventRow[], ended = false): Promise<WrittenPart> {
    const { id: runId, state, position, parts } = this;
    const input = { runId, state, position, createdPosition: 1, parts, events, ended };
    const written = await files.writePart(input);
    await files.syncFolders(new Set([written.folder]));
    await files.removeParts(runId, written.obsolete);
    this.parts = written.parts;
    return written;
  }

  path(part: RunPart | undefined): string {
    return join(files.folderOf(this.id), `${this.id}.${part?.part}.ndjson`);
  }
}

async function namesIn(run: Growing): Promise<string[]> {
  return (await readdir(files.folderOf(run.id))).toSorted();
}

async function verify(run: Growing, parts = run.parts): Promise<Finding[]> {
  const findings: Finding[] = [];
  await files.verifyRun(run.id, parts, (finding) => findings.push(finding));
  return findings;
}

/** Changes one byte of a line that has `marker` in it; returns where the line begins. */
async function damage(path: string, marker: string): Promise<number> {
  const bytes = await readFile(path);
  const place = bytes.indexOf(marker);
  bytes[place] = (bytes[place] as number) ^ 1;
  await writeFile(path, bytes);
  return bytes.lastIndexOf('\n', place) + 1;
}

interface Parsed {
  readonly [key: string]: unknown;
  readonly run: { readonly id: string };
  readonly event: { readonly seq: number };
  readonly footer: { readonly events: object; readonly offsets: [number, number][] };
}

/** Rewrites a part with right checksums: what only a fault of a writer could leave. */
async function forge(path: string, edit: (lines: Parsed[]) => object[]): Promise<void> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  const parsed = lines.map((line) => JSON.parse(line) as Parsed & { crc?: string });
  for (const line of parsed) delete line.crc;
  const sealed = edit(parsed).map((line) => sealLine(JSON.stringify(line).slice(0, -1)));
  await writeFile(path, sealed.join(''));
}

/** Run files on a disk that cannot open any file for reading. */
function unreadable(code: string): RunFiles {
  const open: FileSystem['open'] = async (path, flags, mode) => {
    const isFile = (await realFileSystem.stat(path).catch(() => undefined))?.isFile();
    if (flags === 0 && isFile === true) throw Object.assign(new Error('injected'), { code });
    return realFileSystem.open(path, flags, mode);
  };
  return new RunFiles(new FileOperationService({ ...realFileSystem, open }), join(root, 'runs'));
}

const corrupt = (file: string, byte: number) =>
  expect.objectContaining({
    code: 'DATA_CORRUPT',
    message: expect.stringContaining(`${file}, byte ${byte}:`),
  });

describe('a run file', () => {
  test('gives back the run, its steps in order, its artifacts and its last seq', async () => {
    const run = new Growing('r-1');
    for (const id of ['z', 'a', 'm']) {
      run.state.putStep({ ...EMPTY_STEP, id, name: id, idempotencyKey: `key of ${id}` });
    }
    for (const version of [1, 2]) {
      run.state.putArtifact({ ...EMPTY_ARTIFACT, id: `${version}`, name: 'log', version });
    }
    await run.save(run.append(3));
    const { state, position, createdPosition } = await files.readRows('r-1', run.parts);
    expect([position, createdPosition, state.lastSeq]).toEqual([run.position, 1, 3]);
    expect(state.run).toEqual(run.state.run);
    expect([...state.steps.values()]).toEqual([...run.state.steps.values()]);
    expect(state.stepIdByKey.get('key of a')).toBe('a');
    expect([...state.artifacts.entries()]).toEqual([...run.state.artifacts.entries()]);
  });

  test('is text, a line a row and an event, under two digits of a hash of the id', async () => {
    const run = new Growing('a-run');
    await run.save(run.append(2));
    expect(basename(files.folderOf('a-run'))).toMatch(/^[0-9a-f]{2}$/);
    const text = await readFile(run.path(run.parts[0]), 'utf8');
    const keys = text
      .trimEnd()
      .split('\n')
      .map((line) => Object.keys(JSON.parse(line) as object)[0]);
    expect(keys).toEqual(['run', 'event', 'event', 'footer']);
  });

  test('keeps ids apart that only case tells apart, and ids that look like paths', async () => {
    const ids = ['Run', 'run', '../../x', 'a/b', 'é'.repeat(100), 'con'];
    for (const id of ids) {
      const run = new Growing(id);
      await run.save(run.append(1));
      expect((await files.readRows(id, run.parts)).state.run?.id).toBe(id);
    }
    const listed = await Array.fromAsync(files.list(), ({ runId }) => runId);
    expect(listed.toSorted()).toEqual(ids.toSorted());
    expect(await readdir(root)).toEqual(['runs']);
  });

  test('is read by one port read, whatever it holds', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 2_000; i++) run.state.putStep({ ...EMPTY_STEP, id: `${i}`, name: 'n' });
    await run.save(run.append(100));
    reads = 0;
    const { state } = await files.readRows('r', run.parts);
    expect([...state.steps.values()]).toHaveLength(2_000);
    expect(reads).toBe(1);
  });

  test('takes the rows as they were at the call, however long the write lasts', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 3_000; i++) run.state.putStep({ ...EMPTY_STEP, id: `${i}`, name: 'n' });
    const writing = run.save(run.append(10));
    for (let i = 0; i < 3_100; i++) run.state.putStep({ ...EMPTY_STEP, id: `${i}`, name: 'later' });
    await writing;
    const { state } = await files.readRows('r', run.parts);
    expect(new Set([...state.steps.values()].map(({ name }) => name))).toEqual(new Set(['n']));
  });

  test('refuses events that would leave a hole, and writes nothing', async () => {
    const run = new Growing('r');
    await run.save(run.append(2));
    const added = run.append(2);
    await expect(run.save(added.slice(1))).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await expect(run.save(added.slice(0, 1))).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    expect(await namesIn(run)).toEqual(['r.1.ndjson']);
  });

  test('leaves the folder sync to the caller, one for many runs (W5)', async () => {
    const run = new Growing('r');
    await run.save(run.append(1));
    folderSyncs = 0;
    const [state, parts, events] = [run.state, run.parts, run.append(1)];
    const input = { runId: 'r', state, position: 9, createdPosition: 1, parts, events };
    const { folder } = await files.writePart({ ...input, ended: false });
    expect(folderSyncs).toBe(0);
    await files.syncFolders(new Set([folder]));
    expect(folderSyncs).toBe(1);
  });

  test('is not there, and the older ones are, when a write of it fails [FO-1]', async () => {
    const run = new Growing('r');
    await run.save(run.append(5));
    const { parts } = run;
    const added = run.append(2_000, 1_000);
    for (let n = 1; n <= 3; n++) {
      failWrite = n;
      await expect(run.save(added)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      failWrite = 0;
      expect(await namesIn(run)).toEqual(['r.1.ndjson']);
    }
    expect(await files.readEvents('r', parts, 0, 10)).toEqual(run.all.slice(0, 5));
    await run.save(added);
    expect(await verify(run)).toEqual([]);
  });
});

describe('reading events', () => {
  test('gives any page of a run of many parts, in order and whole', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 5; i++) await run.save(run.append(333));
    expect(run.parts.length).toBeGreaterThan(1);
    for (const [after, limit] of [
      [0, 1],
      [0, 5_000],
      [332, 2],
      [63, 64],
      [64, 1],
      [1_660, 100],
    ]) {
      const page = await files.readEvents('r', run.parts, after as number, limit as number);
      expect(page).toEqual(run.all.slice(after, (after as number) + (limit as number)));
    }
    expect(await files.readEvents('r', run.parts, 1_665, 10)).toEqual([]);
  });

  test('costs one read of a footer and one of data, and the footer only once', async () => {
    const run = new Growing('r');
    await run.save(run.append(50_000, 100));
    files = fresh();
    reads = 0;
    await files.readEvents('r', run.parts, 25_000, 100);
    expect(reads).toBe(2);
    const page = await files.readEvents('r', run.parts, 49_000, 100);
    expect(page.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, i) => 49_001 + i));
    expect(reads).toBe(3);
  });

  test('finds large events too, with the same few reads', async () => {
    const run = new Growing('r');
    await run.save(run.append(200, 50 * KiB));
    files = fresh();
    reads = 0;
    expect(await files.readEvents('r', run.parts, 100, 20)).toEqual(run.all.slice(100, 120));
    expect(reads).toBe(2);
  });

  test('needs one read for the footer of a part of any size', () => {
    const table = new OffsetTable();
    for (let seq = 1; seq <= 1_000_000; seq++) table.add(seq, 1_000 + seq * 600);
    const { entries } = table;
    expect(JSON.stringify(entries).length).toBeLessThan(60 * KiB);
    const gaps = entries.slice(1).map(([seq], i) => seq - (entries[i]?.[0] ?? 0));
    expect(entries[0]).toEqual([1, 1_600]);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2_048);
  });

  test('says NOT_FOUND when a newer part has taken the place of one', async () => {
    const run = new Growing('r');
    await run.save(run.append(5));
    const old = run.parts;
    await run.save(run.append(5), true);
    files = fresh();
    const reading = files.readEvents('r', old, 0, 5);
    await expect(reading).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await files.readEvents('r', run.parts, 0, 10)).toEqual(run.all);
  });

  test('refuses a list of parts with a hole in it, but serves what lies after it', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 3; i++) await run.save(run.append(10));
    const holed = run.parts.filter(({ part }) => part !== 2);
    const reading = files.readEvents('r', holed, 5, 20);
    await expect(reading).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    expect(await files.readEvents('r', holed, 20, 20)).toEqual(run.all.slice(20));
  });

  test('gives the keys, and reads no part that has none', async () => {
    const run = new Growing('r');
    await run.save(run.append(300));
    await run.save(run.append(2, 10, true));
    files = fresh();
    reads = 0;
    const keys = await Array.fromAsync(files.readKeys('r', run.parts));
    expect(keys).toEqual([301, 302].map((seq) => ({ key: `key ${seq}`, seq })));
    expect(reads).toBe(2);
  });
});

describe('merging parts', () => {
  test('happens when eight of a size stand, and loses nothing', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 8; i++) await run.save(run.append(1, 10, i === 3));
    expect(run.parts).toHaveLength(8);
    const { obsolete } = await run.save(run.append(1));
    expect(obsolete).toHaveLength(8);
    expect(await namesIn(run)).toEqual(['r.9.ndjson']);
    expect(run.parts).toMatchObject([{ part: 9, firstSeq: 1, lastSeq: 9, keyed: 1 }]);
    expect(await files.readEvents('r', run.parts, 0, 100)).toEqual(run.all);
    expect(await verify(run)).toEqual([]);
  });

  test('never copies a part of 4 MiB, so a run of any length costs each byte a few times', async () => {
    const run = new Growing('r');
    let [written, payload] = [0, 0];
    for (let i = 0; i < 120; i++) {
      const added = run.append(30, 2 * KiB);
      payload += 60 * KiB;
      written += (await run.save(added)).bytes;
    }
    expect(run.parts.length).toBeLessThan(24);
    expect(written / payload).toBeLessThan(4);
    const large = run.append(2_200, 2 * KiB);
    const frozen = (await run.save(large)).parts.length;
    expect(run.parts.at(-1)?.bytes).toBeGreaterThan(4 * KiB * KiB);
    for (let i = 0; i < 9; i++) await run.save(run.append(1));
    expect(run.parts).toHaveLength(frozen + 1);
    expect(await files.readEvents('r', run.parts, 3_590, 30)).toEqual(run.all.slice(3_590, 3_620));
    expect(await verify(run)).toEqual([]);
  });

  test('makes one file of a run that has ended', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 3; i++) await run.save(run.append(40, 30 * KiB));
    await run.save([], true);
    expect(run.parts).toHaveLength(1);
    expect(await namesIn(run)).toEqual(['r.4.ndjson']);
    expect(await files.readEvents('r', run.parts, 0, 1_000)).toEqual(run.all);
  });

  test('drops parts that had rows only, and the last seq stays known', async () => {
    const run = new Growing('r');
    await run.save(run.append(3));
    await run.save([]);
    expect(run.parts.at(-1)).toMatchObject({ part: 2, firstSeq: 0, lastSeq: 3 });
    await run.save([]);
    expect(run.parts.map(({ part }) => part)).toEqual([1, 3]);
    await run.save(run.append(1));
    expect(run.parts.map(({ part }) => part)).toEqual([1, 4]);
    expect(await files.readEvents('r', run.parts, 0, 10)).toEqual(run.all);
  });

  test('leaves a damaged part alone, reports it, and still saves what is new', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 8; i++) await run.save(run.append(1));
    const broken = run.path(run.parts[4]);
    const byte = await damage(broken, '"5 xx');
    const { damage: reported } = await run.save(run.append(1));
    expect(reported).toEqual(corrupt(broken, byte));
    expect(run.parts.map(({ part }) => part)).toEqual([1, 2, 3, 4, 5, 9]);
    expect(await files.readEvents('r', run.parts, 5, 10)).toEqual(run.all.slice(5));
    await expect(files.readEvents('r', run.parts, 0, 10)).rejects.toEqual(corrupt(broken, byte));
  });
});

describe('damage', () => {
  test('of any byte of a file is found by verify, with file and place [FO-11]', async () => {
    const run = new Growing('r');
    run.state.putStep({ ...EMPTY_STEP, id: 's', name: 'n' });
    await run.save(run.append(3, 20, true));
    const path = run.path(run.parts[0]);
    const whole = await readFile(path);
    for (let i = 0; i < whole.length; i += 7) {
      const bytes = Buffer.from(whole);
      bytes[i] = (bytes[i] as number) ^ 0x10;
      await writeFile(path, bytes);
      const [finding] = await verify(run);
      expect(finding).toMatchObject({ code: 'DATA_CORRUPT', file: path });
    }
    for (const length of [0, 10, whole.length - 1]) {
      await truncate(path, length);
      expect(await verify(run)).not.toEqual([]);
      await writeFile(path, whole);
    }
    expect(await verify(run)).toEqual([]);
  });

  test('of rows is never served', async () => {
    const run = new Growing('r');
    run.state.putStep({ ...EMPTY_STEP, id: 's', name: 'fetch' });
    await run.save(run.append(1));
    const path = run.path(run.parts[0]);
    const byte = await damage(path, 'fetch');
    expect(byte).toBeGreaterThan(0);
    await expect(files.readRows('r', run.parts)).rejects.toEqual(corrupt(path, byte));
    await truncate(path, byte);
    await expect(files.readRows('r', run.parts)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await expect(files.readRows('r', [])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('by a file that belongs to another run is refused', async () => {
    const [a, b] = [new Growing('a'), new Growing('b')];
    for (const run of [a, b]) await run.save(run.append(1));
    await writeFile(b.path(b.parts[0]), await readFile(a.path(a.parts[0])));
    files = fresh();
    await expect(files.readRows('b', b.parts)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    const reading = files.readEvents('b', b.parts, 0, 1);
    await expect(reading).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await expect(files.inspect('b')).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    expect(await verify(b)).not.toEqual([]);
  });

  const two = async (): Promise<Growing> => {
    const run = new Growing('r');
    run.state.putStep({ ...EMPTY_STEP, id: 's', name: 'n' });
    for (let i = 0; i < 2; i++) await run.save(run.append(3, 20, true));
    return run;
  };

  /** Lines of a part: run, step, three events, footer. */
  test.each<[string, (lines: Parsed[]) => object[]]>([
    ['another position', ([run, ...rest]) => [{ ...run, position: 99 }, ...rest]],
    ['a row too few', ([run, , ...rest]) => [run as Parsed, ...rest]],
    ['a row too many', (lines) => [lines[0] as Parsed, lines[1] as Parsed, ...lines.slice(1)]],
    ['no run in its first line', ([, ...rest]) => [{ position: 1 }, ...rest]],
    ['an event left out', (lines) => lines.toSpliced(3, 1)],
    ['events in another order', ([a, b, c, d, ...rest]) => [a, b, d, c, ...rest] as Parsed[]],
    ['no footer', (lines) => lines.slice(0, -1)],
  ])('that has right checksums and %s is found', async (_, edit) => {
    const run = await two();
    await forge(run.path(run.parts[1]), edit);
    files = fresh();
    expect(await verify(run)).not.toEqual([]);
    const rows = files.readRows('r', run.parts).then(() => 'served');
    const page = files.readEvents('r', run.parts, 0, 10).then(() => 'served');
    const results = await Promise.allSettled([rows, page]);
    expect(results.map(({ status }) => status)).toContain('rejected');
    for (const result of results) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'DATA_CORRUPT' });
    }
  });

  const footerWith = (change: (footer: Parsed['footer']) => object) => (lines: Parsed[]) =>
    lines.map((line) => (line.footer === undefined ? line : { footer: change(line.footer) }));

  test.each<[string, (footer: Parsed['footer']) => object]>([
    ['too many events', (f) => ({ ...f, events: { ...f.events, count: 4 } })],
    ['other keys', (f) => ({ ...f, events: { ...f.events, keyed: 1 } })],
    ['a wrong place', (f) => ({ ...f, offsets: [[4, (f.offsets[0]?.[1] ?? 0) + 1]] })],
  ])('of a footer that states %s is found by verify', async (_, change) => {
    const run = await two();
    const path = run.path(run.parts[1]);
    await forge(path, footerWith(change));
    files = fresh();
    // As an index that was built from it would have it.
    const parts = (await files.inspect('r'))?.parts ?? [];
    expect(parts).toHaveLength(2);
    expect(await verify(run, parts)).toMatchObject([{ code: 'DATA_CORRUPT', file: path }]);
  });

  test('by a footer whose file has another first line is found when listing', async () => {
    const run = await two();
    await forge(run.path(run.parts[1]), ([head, ...rest]) => [{ ...head, position: 99 }, ...rest]);
    await expect(files.inspect('r')).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await writeFile(run.path(run.parts[1]), '');
    await expect(files.inspect('r')).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });

  test('by two files that hold the same event is found', async () => {
    const run = await two();
    const again = new Growing('r');
    again.append(4);
    const { state } = again;
    const input = { runId: 'r', state, position: 9, createdPosition: 1, events: again.all };
    await files.writePart({ ...input, parts: [], ended: false });
    await expect(files.inspect('r')).rejects.toMatchObject({
      message: expect.stringContaining('it ends with event 4, and a newer one begins with 4'),
    });
    expect(await namesIn(run)).toHaveLength(2);
  });

  test('by a missing first file is found, and one that is cut short is not copied', async () => {
    const run = await two();
    await rm(run.path(run.parts[0]));
    await expect(files.inspect('r')).rejects.toMatchObject({
      message: expect.stringContaining('events 1 to 3'),
    });
    expect(await verify(run, run.parts.slice(1))).toMatchObject([
      { message: expect.stringContaining('it begins with event 4, where 1 had to come') },
    ]);
    const { damage: reported } = await run.save([], true);
    expect(reported).toMatchObject({ message: expect.stringContaining('it is missing') });
    await forge(run.path(run.parts[1]), (lines) => lines.toSpliced(3, 1));
    expect((await run.save([], true)).damage).toMatchObject({ code: 'DATA_CORRUPT' });
  });

  test('by a file that went missing is found', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 3; i++) await run.save(run.append(2));
    await rm(run.path(run.parts[1]));
    expect(await verify(run)).toMatchObject([{ file: run.path(run.parts[1]) }]);
    const findings: Finding[] = [];
    const found = await files.inspect('r', (finding) => findings.push(finding));
    expect(found?.parts.map(({ part }) => part)).toEqual([1, 3]);
    expect(findings).toMatchObject([{ message: expect.stringContaining('events 3 to 4 of r') }]);
    await expect(files.inspect('r')).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });
});

describe('the list of what is stored', () => {
  test('is made from the files alone, as the writers left them', async () => {
    const runs = Array.from({ length: 30 }, (_, i) => new Growing(`run ${i}`));
    for (const run of runs) {
      await run.save(run.append(2));
      await run.save(run.append(1));
    }
    const listed = await Array.fromAsync(fresh().list());
    expect(listed).toHaveLength(30);
    for (const run of runs) {
      const { parts, position, state } = run;
      const found = listed.find(({ runId }) => runId === run.id);
      const expected = { runId: run.id, row: state.run, position, createdPosition: 1, parts };
      expect(found).toEqual({ ...expected, obsolete: [] });
      expect(await files.inspect(run.id)).toEqual(found);
    }
    expect(await files.inspect('another')).toBeUndefined();
  });

  test('names what a crash left behind before its removal (W8)', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 3; i++) await run.save(run.append(2));
    const old = run.parts;
    const kept = await Promise.all(old.map((part) => readFile(run.path(part))));
    await run.save([], true);
    for (const [i, part] of old.entries()) await writeFile(run.path(part), kept[i] as Buffer);
    const [found] = await Array.fromAsync(files.list());
    expect(found).toMatchObject({ parts: run.parts, obsolete: old });
    await files.removeParts('r', found?.obsolete ?? []);
    expect(await namesIn(run)).toEqual(['r.4.ndjson']);
  });

  test('tells files of a deleted run from those of a new one with its id', async () => {
    const deleted = new Growing('r');
    for (let i = 0; i < 2; i++) await deleted.save(deleted.append(2));
    const old = await readFile(deleted.path(deleted.parts[1]));
    await files.removeRun('r', deleted.parts);
    const created = new Growing('r');
    const events = created.append(1);
    const input = { runId: 'r', state: created.state, position: 50, createdPosition: 40 };
    const { parts } = await files.writePart({ ...input, parts: [], events, ended: false });
    await writeFile(deleted.path(deleted.parts[1]), old);
    const found = await files.inspect('r');
    expect(found).toMatchObject({ createdPosition: 40, parts, obsolete: [{ part: 2 }] });
  });

  test('goes on past a damaged run, and says which it is', async () => {
    const runs = ['a', 'b', 'c'].map((id) => new Growing(id));
    for (const run of runs) {
      await run.save(run.append(2));
      await run.save(run.append(2));
    }
    const [a, b] = runs as [Growing, Growing];
    await damage(a.path(a.parts[1]), '"footer"');
    await damage(b.path(b.parts[1]), '{"run"');
    const findings: string[] = [];
    const listing = files.list(({ file }, runId) => findings.push(`${runId}: ${file}`));
    const listed = await Array.fromAsync(listing, ({ runId }) => runId);
    expect(listed).toEqual(['c']);
    expect(findings.toSorted()).toEqual([`a: ${a.path(a.parts[1])}`, `b: ${b.path(b.parts[1])}`]);
    await expect(Array.fromAsync(files.list())).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });

  test('does not hold a passing failure of the disk for damage', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 8; i++) await run.save(run.append(1));
    files = unreadable('EMFILE');
    const findings: Finding[] = [];
    const listing = files.list((finding) => findings.push(finding));
    await expect(Array.fromAsync(listing)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(verify(run)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(run.save(run.append(1))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(findings).toEqual([]);
    expect(await namesIn(run)).toHaveLength(8);
  });

  test('holds what the disk can never read for damage', async () => {
    const run = new Growing('r');
    await run.save(run.append(1));
    files = unreadable('EIO');
    const [finding] = await verify(run);
    expect(finding?.message).toContain('the disk cannot read it');
    await expect(files.inspect('r')).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });

  test('has more runs of one folder than are read at a time, and no foreign file', async () => {
    const folder = files.folderOf('r');
    const ids = Array.from({ length: 6_000 }, (_, i) => `run ${i}`);
    const same = ids.filter((id) => files.folderOf(id) === folder);
    expect(same.length).toBeGreaterThan(8);
    for (const id of same) {
      const run = new Growing(id);
      await run.save(run.append(1));
    }
    for (const name of ['notes.txt', 'x.0.ndjson', 'x.ndjson']) {
      await writeFile(join(folder, name), 'not ours');
    }
    const listed = await Array.fromAsync(files.list(), ({ runId }) => runId);
    expect(listed.toSorted()).toEqual(same.toSorted());
  });

  test('removes every file of a deleted run, known or not', async () => {
    const [gone, stays] = [new Growing('r'), new Growing('r.1')];
    for (const run of [gone, stays]) for (let i = 0; i < 3; i++) await run.save(run.append(1));
    const folder = await files.removeRun('r');
    await files.syncFolders(new Set([folder]));
    expect(await files.inspect('r')).toBeUndefined();
    expect(await files.readEvents('r.1', stays.parts, 0, 10)).toEqual(stays.all);
  });
});
