import { cpSync } from 'node:fs';
import { cp, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { isStoreError, type OpenOptions, openStore, repairStore } from '../../src/index.ts';
import { decoded, jsonLines, page, recipe, requireTools, shell } from './formatReader.ts';
import { type Answer, answersOf, fill, goOn, plain } from './storeScene.ts';

let folder: string;
let answers: ReadonlyMap<string, Answer>;
let runId: string;

beforeAll(requireTools);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-format-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const path = (...names: string[]): string => join(folder, ...names);

function expected(): Map<string, unknown> {
  return new Map(
    [...answers].map(([id, { run, steps, events, artifacts }]) => [
      id,
      {
        run: plain(run),
        steps: steps.map(plain),
        events: events.map(plain),
        artifacts: artifacts.map(plain),
      },
    ]),
  );
}

const sorted = (lines: readonly string[]): string[] => lines.toSorted();

const runLines = (): string[] =>
  sorted([...answers.values()].map(({ run }) => [run.id, run.status, run.workflow].join('\t')));

/** Fills a store in two sessions and copies it: between them, while it is open; then closes it. */
async function write(tuning: OpenOptions = {}): Promise<void> {
  // No run file is written behind the copy's back.
  const options = { quietMs: 600_000, ...tuning };
  const url = `file:${path('closed')}`;
  const first = await openStore(url, options);
  ({ runId } = await fill(first));
  await first.close();
  await cp(path('closed'), path('between'), { recursive: true });
  const second = await openStore(url, options);
  await goOn(second, runId);
  answers = await answersOf(second);
  // In one turn: the store goes on tidying its journal.
  cpSync(path('closed'), path('open'), { recursive: true });
  await second.close();
}

async function answersIn(name: string): Promise<ReadonlyMap<string, Answer>> {
  const store = await openStore(`file:${path(name)}`);
  try {
    return await answersOf(store);
  } finally {
    await store.close();
  }
}

async function runFiles(store: string): Promise<string[]> {
  const names = await readdir(path(store, 'runs'), { recursive: true });
  return names.filter((name) => name.endsWith('.ndjson'));
}

/** Overwrites the newest segment from where `find` points into its text. */
async function overwrite(store: string, find: (text: string) => number, bytes: string) {
  const [newest = ''] = (await readdir(path(store, 'journal')))
    .filter((name) => name.endsWith('.ndjson'))
    .toSorted()
    .toReversed();
  const file = path(store, 'journal', newest);
  const at = find(await readFile(file, 'latin1'));
  await using handle = await open(file, 'r+');
  await handle.write(bytes, at, 'latin1');
}

const SMALL = { segmentBytesMin: 4096, segmentBytesMax: 8192 } as const;
const TRIMMED = { ...SMALL, journalBytesKeep: 0 } as const;

describe('docs/format.md lets a reader decode with jq', () => {
  test('a store that was closed', async () => {
    await write();
    expect(decoded(path('closed'))).toEqual(expected());
    expect(sorted(recipe('saved', path('closed')))).toEqual(runLines());
  });

  test('a store that was never closed: old run files, and the journal on top', async () => {
    await write();
    expect(await runFiles('open')).toHaveLength(answers.size + 1);
    expect(decoded(path('open'))).toEqual(expected());
    await rm(path('open', 'runs'), { recursive: true });
    expect(decoded(path('open'))).toEqual(expected());
  });

  test('a store in which a crash left parts that others have replaced', async () => {
    await write(TRIMMED);
    const before = await runFiles('closed');
    await cp(path('between', 'runs'), path('closed', 'runs'), { recursive: true, force: false });
    expect((await runFiles('closed')).length).toBeGreaterThan(before.length);
    expect(decoded(path('closed'))).toEqual(expected());
    await rm(path('closed', 'index'), { recursive: true });
    expect(await answersIn('closed')).toEqual(answers);
  });

  test('a store whose journal has many segments, and one whose journal was trimmed', async () => {
    await write(SMALL);
    expect((await readdir(path('closed', 'journal'))).length).toBeGreaterThan(2);
    expect(decoded(path('closed'))).toEqual(expected());
    await rm(path('closed'), { recursive: true });
    await write(TRIMMED);
    expect(await readdir(path('closed', 'journal'))).toHaveLength(1);
    expect(decoded(path('closed'))).toEqual(expected());
    expect(recipe('gaps', path('closed'))).toEqual([]);
  });

  test('a store with a torn end, before and after it was recovered', async () => {
    await write();
    await overwrite('open', (text) => text.lastIndexOf('"changes"'), '#########');
    // An index that knows the torn commit would prove that it was acknowledged.
    await rm(path('open', 'index'), { recursive: true });
    const before = decoded(path('open'));
    expect(recipe('gaps', path('open'))).toEqual([]);
    answers = await answersIn('open');
    expect((answers.get('again') as Answer).events).toEqual([]);
    expect(before).toEqual(expected());
    expect(decoded(path('open'))).toEqual(expected());
    expect(recipe('gaps', path('open'))).toEqual([]);
    // What was not proven durable stands in two segments now, and counts once.
    const lines = jsonLines(`cat journal/*.ndjson | tr -s '\\n' | sed '/#/d'`, path('open'));
    const stored = lines.filter(({ position }) => position !== undefined);
    const commits = jsonLines('commits', path('open'));
    expect(stored.length).toBeGreaterThan(commits.length);
    expect(commits.map(({ position }) => position)).toEqual(commits.map((_, i) => i + 1));
  });

  test('a store that was repaired', async () => {
    await write(SMALL);
    await overwrite('open', (text) => text.indexOf('{"position":'), '#');
    const { keptIn, commitsKept } = await repairStore(`file:${path('open')}`);
    expect(keptIn).toContain(path('open', 'repaired'));
    answers = await answersIn('open');
    expect(answers.size).toBeGreaterThan(0);
    expect(decoded(path('open'))).toEqual(expected());
    expect(recipe('gaps', path('open'))).toEqual([]);
    expect(commitsKept).toBeGreaterThan(0);
  });
});

describe('the commands of docs/format.md', () => {
  test('list runs, steps and events as the library does', async () => {
    await write();
    const { steps, events } = answers.get(runId) as Answer;
    expect(sorted(recipe('runs', path('closed')))).toEqual(runLines());
    const stepLines = steps.map(({ name, status }) => `${name}\t${status}`);
    expect(recipe('steps', path('closed'), runId)).toEqual(stepLines);
    const found = recipe('events', path('closed'), runId).map(
      (line) => JSON.parse(line) as unknown[],
    );
    expect(found.map(([seq, type]) => [seq, type])).toEqual(
      events.map(({ seq, type }) => [seq, type]),
    );
    const narrow = shell(`events ${runId} '??/${runId}.*.ndjson'`, path('closed'));
    expect(narrow).toBe(shell(`events ${runId}`, path('closed')));
  });

  test('show a transaction over two runs as one commit [ST-1]', async () => {
    await write();
    const commits = jsonLines('commits', path('closed'));
    const touched = commits.map(({ changes }) => [
      ...new Set((changes as { runId: string }[]).map((change) => change.runId)),
    ]);
    expect(touched.filter((runs) => runs.length > 1)).toEqual([[runId, 'Run/É 1']]);
    expect(commits.map(({ position }) => position)).toEqual(commits.map((_, i) => i + 1));
  });

  test('check the bytes of artifacts, and notice when one has changed', async () => {
    await write();
    const lines = recipe('blobs', path('closed'));
    const digests = new Set(
      [...answers.values()].flatMap(({ artifacts }) =>
        artifacts.filter(({ deletedAt }) => deletedAt === null).map(({ digest }) => digest),
      ),
    );
    expect(lines).toHaveLength(digests.size);
    expect(lines.filter((line) => !line.endsWith(': OK'))).toEqual([]);
    const blob = lines[0]?.replace(': OK', '') ?? '';
    await rm(path('closed', blob));
    await writeFile(path('closed', blob), 'other bytes');
    expect(() => recipe('blobs', path('closed'))).toThrow('sha256sum');
  });

  test('compute the checksum of a line', async () => {
    await write();
    const lines = shell('cat journal/*.ndjson runs/*/*.ndjson | tr -s "\\n"', path('closed')).split(
      '\n',
    );
    const odd = lines.filter((line) => /"header"|"sealed"|"footer"|É|crc.*crc/.test(line));
    for (const line of odd.slice(-12)) {
      expect(shell('crc', path('closed'), `${line}\n`).trim()).toBe(/(\w{8})"}$/.exec(line)?.[1]);
    }
    expect(odd.length).toBeGreaterThan(12);
    const shown = page.blocks('sh').find((block) => block.endsWith('| crc\n')) ?? '';
    expect(lines[0]).toContain(`,"crc":"${shell(shown, path('closed')).trim()}"`);
  });

  test('find the commit that is damaged, as opening does', async () => {
    await write();
    const [third] = jsonLines('commits', path('open')).slice(-3);
    const position = Number(third?.['position']);
    await overwrite('open', (text) => text.indexOf(`{"position":${position},`), '#');
    expect(recipe('gaps', path('open'))).toEqual([`commit ${position} is damaged or missing`]);
    const refused = await openStore(`file:${path('open')}`).catch((error: unknown) => error);
    expect(isStoreError(refused, 'JOURNAL_CORRUPT')).toBe(true);
  });
});

describe('docs/format.md says of files', () => {
  test('what those of a run are called', async () => {
    await write();
    const names = (await runFiles('closed')).join('\n');
    const [, digits = ''] = /`(printf %s "\$id" \| [^`]+)`/.exec(page.text) ?? [];
    for (const [id, name] of [
      ['Run/É 1', '=52un=2f=c3=89=201'],
      ['con.x', '=63on.x'],
      [runId, runId],
    ] as const) {
      const place = shell(`id='${id}'; ${digits}`, path('closed')).trim();
      expect(names).toContain(join(place, `${name}.`));
    }
  });

  test('which may be removed when nobody runs: the store answers as before', async () => {
    await write();
    for (const name of ['index', 'lock.db', 'owner.json']) {
      await rm(path('closed', name), { recursive: true, force: true });
      await rm(path('open', name), { recursive: true, force: true });
    }
    expect(await answersIn('closed')).toEqual(answers);
    expect(await answersIn('open')).toEqual(answers);
  });
});
