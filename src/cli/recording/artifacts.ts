import { extname, resolve, sep } from 'node:path';
import { glob } from 'tinyglobby';
import { systemCode } from '../errorFacts.ts';
import type { FileHandle } from '../../index.ts';
import { fileChunks } from './files.ts';
import { recordedOutput } from './outputEvent.ts';
import type { PlanOptions } from './planOptions.ts';
import { ofArtifact, type Recording } from './recording.ts';

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.csv': 'text/csv',
  '.html': 'text/html',
  '.json': 'application/json',
  '.log': 'text/plain',
  '.md': 'text/markdown',
  '.ndjson': 'application/x-ndjson',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain',
  '.xml': 'application/xml',
  '.zip': 'application/zip',
};

/** The name under which all that a step wrote is kept. */
function logName(stepId: string): string {
  return `${stepId}.log`;
}

/**
 * Keeps everything that the step wrote as one artifact, read back from the events: so the log is
 * what was recorded, and no second copy has to be held while the command runs.
 */
export async function keepLog(recording: Recording, stepId: string, after: number): Promise<void> {
  const { store, runId } = recording;
  await recording.attempt(
    () =>
      store.artifacts.put(runId, {
        name: logName(stepId),
        stepId,
        mediaType: 'text/plain',
        metadata: { kind: 'log' },
        body: recordedOutput(store, runId, stepId, after),
      }),
    ofArtifact,
  );
}

/** Keeps the files that match. Names are paths relative to the folder in which the command ran. */
export async function keepFiles(
  recording: Recording,
  stepId: string,
  globs: readonly string[],
  options: PlanOptions,
): Promise<{ readonly kept: readonly string[]; readonly unreadable: readonly string[] }> {
  const kept: string[] = [];
  const unreadable: string[] = [];
  for (const path of await matching(globs, options)) {
    if (recording.failure !== undefined) break;
    // A file may have the name of the log; the log is never a version of it.
    const name = path === logName(stepId) ? `./${path}` : path;
    const readable = await keepFile(recording, stepId, name, resolve(options.cwd, path), options);
    (readable ? kept : unreadable).push(name);
  }
  return { kept, unreadable };
}

async function matching(
  globs: readonly string[],
  options: PlanOptions,
): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const pattern of globs) {
    const paths = await glob(pattern, {
      cwd: options.cwd,
      onlyFiles: true,
      followSymbolicLinks: false,
      expandDirectories: false,
      ignore: ['**/.holdfast/**', '**/lock.db'],
    });
    const outside = paths.filter((path) => !isOfStore(resolve(options.cwd, path), options));
    if (outside.length === 0) options.onNotice?.(`no file matches ${pattern}`);
    for (const path of outside) found.add(path);
  }
  return [...found].toSorted();
}

/**
 * IMPORTANT: no file of the store may be opened here, and `lock.db` least of all: closing any other
 * descriptor of it drops the lock of the process that owns the store, which is this one.
 */
function isOfStore(path: string, { storeFolder }: PlanOptions): boolean {
  return storeFolder !== undefined && path.startsWith(storeFolder + sep);
}

/** Whether the file could be read to its end. */
async function keepFile(
  recording: Recording,
  stepId: string,
  name: string,
  path: string,
  options: PlanOptions,
): Promise<boolean> {
  let failure: unknown;
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      const handle: FileHandle = await options.fileSystem.open(path, 'r');
      yield* fileChunks(handle);
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  const { store, runId } = recording;
  await recording.attempt(
    async () => {
      const mediaType = MEDIA_TYPES[extname(name).toLowerCase()];
      try {
        return await store.artifacts.put(runId, { name, stepId, mediaType, body: body() });
      } catch (error) {
        // What the file did is not the store's failure: the recording goes on.
        if (failure === undefined) throw error;
        return undefined;
      }
    },
    (artifact) => (artifact === undefined ? [] : ofArtifact(artifact)),
  );
  if (failure === undefined) return true;
  options.onNotice?.(`${name} could not be kept: ${systemCode(failure) ?? 'reading it failed'}`);
  return false;
}
