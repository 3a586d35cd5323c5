import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { EventRow } from '../../../src/lib/model/entities.ts';
import { EMPTY_EVENT, EMPTY_RUN } from '../../../src/lib/model/represent.ts';
import { RunState } from '../../../src/lib/model/runState.ts';
import { type FileSystem, realFileSystem } from '../../../src/lib/ports/fileSystem.ts';
import type { Finding } from '../../../src/lib/store/contract.ts';
import { FileOperationService } from '../../../src/lib/store/FileSystemStore/FileOperationService.ts';
import { type EventLines, EventTail } from '../../../src/lib/store/FileSystemStore/eventTail.ts';
import { sealLine } from '../../../src/lib/store/FileSystemStore/frame.ts';
import {
  RunFiles,
  type RunPart,
  type WrittenPart,
} from '../../../src/lib/store/FileSystemStore/runFiles.ts';

const at = '2026-01-02T03:04:05.678Z';

interface World {
  root: string;
  /** Opens for reading, and folder syncs, since the test last set them to 0. */
  reads: number;
  folderSyncs: number;
  /** Set by a test: the write that fails, counted down. */
  failWrite: number;
  files: RunFiles;
}

/** One test's folder, and what was done to it. */
export const world = { root: '', reads: 0, folderSyncs: 0, failWrite: 0 } as World;

export async function beginWorld(): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-run-files-'));
  Object.assign(world, { root, reads: 0, folderSyncs: 0, failWrite: 0 });
  world.files = fresh();
}

export function endWorld(): Promise<void> {
  return rm(world.root, { recursive: true, force: true });
}

/** The real disk, counted, and failing on demand. */
function watched(): FileSystem {
  const open: FileSystem['open'] = async (path, flags, mode) => {
    const handle = await realFileSystem.open(path, flags, mode);
    const isFolder = (await handle.stat()).isDirectory();
    if (flags === 0 && !isFolder) world.reads++;
    return {
      read: (...args) => handle.read(...args),
      write: (...args) => {
        if (--world.failWrite === 0) throw Object.assign(new Error('injected'), { code: 'EIO' });
        return handle.write(...args);
      },
      stat: () => handle.stat(),
      truncate: (length) => handle.truncate(length),
      sync: () => {
        if (isFolder) world.folderSyncs++;
        return handle.sync();
      },
      datasync: () => handle.datasync(),
      close: () => handle.close(),
    };
  };
  return { ...realFileSystem, open };
}

/** Run files that remember nothing of what was done before. */
export function fresh(fileSystem: FileSystem = watched()): RunFiles {
  return new RunFiles(new FileOperationService(fileSystem), join(world.root, 'runs'));
}

/** Run files on a disk that cannot open any file for reading. */
export function unreadable(code: string): RunFiles {
  const open: FileSystem['open'] = async (path, flags, mode) => {
    const isFile = (await realFileSystem.stat(path).catch(() => undefined))?.isFile();
    if (flags === 0 && isFile === true) throw Object.assign(new Error('injected'), { code });
    return realFileSystem.open(path, flags, mode);
  };
  return fresh({ ...realFileSystem, open });
}

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
export class Growing {
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
    const input = {
      runId,
      state,
      position,
      createdPosition: 1,
      parts,
      events: linesOf(events),
      ended,
    };
    const written = await world.files.writePart(input);
    await world.files.syncParts([written]);
    await world.files.removeParts(runId, written.obsolete);
    this.parts = written.parts;
    return written;
  }

  path(part: RunPart | undefined): string {
    return join(world.files.folderOf(this.id), `${this.id}.${part?.part}.ndjson`);
  }
}

/** Events as the store hands them over. */
export function linesOf(events: readonly EventRow[]): EventLines {
  const tail = new EventTail();
  for (const row of events) tail.add(row);
  return tail.taken();
}

export async function namesIn(run: Growing): Promise<string[]> {
  return (await readdir(world.files.folderOf(run.id))).toSorted();
}

export async function verify(run: Growing, parts = run.parts): Promise<Finding[]> {
  const findings: Finding[] = [];
  await world.files.verifyRun(run.id, parts, (finding) => findings.push(finding));
  return findings;
}

/** Changes one byte of a line that has `marker` in it; returns where the line begins. */
export async function damage(path: string, marker: string): Promise<number> {
  const bytes = await readFile(path);
  const place = bytes.indexOf(marker);
  bytes[place] = (bytes[place] as number) ^ 1;
  await writeFile(path, bytes);
  return bytes.lastIndexOf('\n', place) + 1;
}

export interface Parsed {
  readonly [key: string]: unknown;
  readonly run: { readonly id: string };
  readonly event: { readonly seq: number };
  readonly footer: { readonly events: object; readonly offsets: [number, number][] };
}

/** Rewrites a part with right checksums: what only a fault of a writer could leave. */
export async function forge(path: string, edit: (lines: Parsed[]) => object[]): Promise<void> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  const parsed = lines.map((line) => JSON.parse(line) as Parsed & { crc?: string });
  for (const line of parsed) delete line.crc;
  const sealed = edit(parsed).map((line) => sealLine(JSON.stringify(line).slice(0, -1)));
  await writeFile(path, sealed.join(''));
}

export const corrupt = (file: string, byte: number): unknown =>
  expect.objectContaining({
    code: 'DATA_CORRUPT',
    message: expect.stringContaining(`${file}, byte ${byte}:`),
  });
