import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { RunRow } from '../../src/lib/model/entities.ts';
import { EMPTY_STEP } from '../../src/lib/model/represent.ts';
import type { Finding } from '../../src/lib/store/contract.ts';
import { LINE_BYTES_MAX } from '../../src/lib/store/FileSystemStore/frame.ts';
import {
  beginWorld,
  corrupt,
  damage,
  endWorld,
  forge,
  fresh,
  Growing,
  linesOf,
  namesIn,
  type Parsed,
  unreadable,
  verify,
  world,
} from './runFiles/growing.ts';

beforeEach(beginWorld);
afterEach(endWorld);

describe('damage of a run file', () => {
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
    await expect(world.files.readRows('r', run.parts)).rejects.toEqual(corrupt(path, byte));
    await truncate(path, byte);
    await expect(world.files.readRows('r', run.parts)).rejects.toMatchObject({
      code: 'DATA_CORRUPT',
    });
    await expect(world.files.readRows('r', [])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('by a file that belongs to another run is refused', async () => {
    const [a, b] = [new Growing('a'), new Growing('b')];
    for (const run of [a, b]) await run.save(run.append(1));
    await writeFile(b.path(b.parts[0]), await readFile(a.path(a.parts[0])));
    world.files = fresh();
    await expect(world.files.readRows('b', b.parts)).rejects.toMatchObject({
      code: 'DATA_CORRUPT',
    });
    const reading = world.files.readEvents('b', b.parts, 0, 1);
    await expect(reading).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await expect(world.files.inspect('b')).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
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
    world.files = fresh();
    expect(await verify(run)).not.toEqual([]);
    const rows = world.files.readRows('r', run.parts).then(() => 'served');
    const page = world.files.readEvents('r', run.parts, 0, 10).then(() => 'served');
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
    world.files = fresh();
    // As an index that was built from it would have it.
    const parts = (await world.files.inspect('r'))?.parts ?? [];
    expect(parts).toHaveLength(2);
    expect(await verify(run, parts)).toMatchObject([{ code: 'DATA_CORRUPT', file: path }]);
  });

  test('by a footer whose file has another first line is found when listing', async () => {
    const run = await two();
    await forge(run.path(run.parts[1]), ([head, ...rest]) => [{ ...head, position: 99 }, ...rest]);
    await expect(world.files.inspect('r')).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await writeFile(run.path(run.parts[1]), '');
    await expect(world.files.inspect('r')).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });

  test('by two files that hold the same event is found', async () => {
    const run = await two();
    const again = new Growing('r');
    again.append(4);
    const { state } = again;
    const input = {
      runId: 'r',
      state,
      position: 9,
      createdPosition: 1,
      events: linesOf(again.all),
    };
    await world.files.writePart({ ...input, parts: [], ended: false });
    await expect(world.files.inspect('r')).rejects.toMatchObject({
      message: expect.stringContaining('it ends with event 4, and a newer one begins with 4'),
    });
    expect(await namesIn(run)).toHaveLength(2);
  });

  test('by a missing first file is found, and one that is cut short is not copied', async () => {
    const run = await two();
    await rm(run.path(run.parts[0]));
    await expect(world.files.inspect('r')).rejects.toMatchObject({
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
    const found = await world.files.inspect('r', (finding) => findings.push(finding));
    expect(found?.parts.map(({ part }) => part)).toEqual([1, 3]);
    expect(findings).toMatchObject([{ message: expect.stringContaining('events 3 to 4 of r') }]);
    await expect(world.files.inspect('r')).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });
});

describe('the list of stored runs', () => {
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
      const place = { position, createdPosition: 1, parts, artifacts: 0 };
      const expected = { runId: run.id, row: state.run, ...place };
      expect(found).toEqual({ ...expected, obsolete: [] });
      expect(await world.files.inspect(run.id)).toEqual(found);
    }
    expect(await world.files.inspect('another')).toBeUndefined();
  });

  test('names what a crash left behind before its removal (W8)', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 3; i++) await run.save(run.append(2));
    const old = run.parts;
    const kept = await Promise.all(old.map((part) => readFile(run.path(part))));
    await run.save([], true);
    for (const [i, part] of old.entries()) await writeFile(run.path(part), kept[i] as Buffer);
    const [found] = await Array.fromAsync(world.files.list());
    expect(found).toMatchObject({ parts: run.parts, obsolete: old });
    await world.files.removeParts('r', found?.obsolete ?? []);
    expect(await namesIn(run)).toEqual(['r.4.ndjson']);
  });

  test('tells files of a deleted run from those of a new one with its id', async () => {
    const deleted = new Growing('r');
    for (let i = 0; i < 2; i++) await deleted.save(deleted.append(2));
    const old = await readFile(deleted.path(deleted.parts[1]));
    await world.files.removeRun('r', deleted.parts);
    const created = new Growing('r');
    const events = linesOf(created.append(1));
    const input = { runId: 'r', state: created.state, position: 50, createdPosition: 40 };
    const { parts } = await world.files.writePart({ ...input, parts: [], events, ended: false });
    await writeFile(deleted.path(deleted.parts[1]), old);
    const found = await world.files.inspect('r');
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
    const listing = world.files.list(({ file }, runId) => findings.push(`${runId}: ${file}`));
    const listed = await Array.fromAsync(listing, ({ runId }) => runId);
    expect(listed).toEqual(['c']);
    expect(findings.toSorted()).toEqual([`a: ${a.path(a.parts[1])}`, `b: ${b.path(b.parts[1])}`]);
    await expect(Array.fromAsync(world.files.list())).rejects.toMatchObject({
      code: 'DATA_CORRUPT',
    });
  });

  test('has a run whose row is longer than any line of the log', async () => {
    const run = new Growing('r');
    const row = run.state.run as RunRow;
    run.state.run = { ...row, input: JSON.stringify('x'.repeat(LINE_BYTES_MAX)) };
    await run.save(run.append(1));
    expect(await fresh().inspect('r')).toMatchObject({ runId: 'r', parts: run.parts });
    expect(await verify(run)).toEqual([]);
    await damage(run.path(run.parts[0]), 'xxx');
    await expect(fresh().inspect('r')).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    expect(await verify(run)).toMatchObject([{ code: 'DATA_CORRUPT', byte: 0 }]);
  });

  test('does not hold a passing failure of the disk for damage', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 8; i++) await run.save(run.append(1));
    world.files = unreadable('EMFILE');
    const findings: Finding[] = [];
    const listing = world.files.list((finding) => findings.push(finding));
    await expect(Array.fromAsync(listing)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(verify(run)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(run.save(run.append(1))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(findings).toEqual([]);
    expect(await namesIn(run)).toHaveLength(8);
  });

  test('holds what the disk can never read for damage', async () => {
    const run = new Growing('r');
    await run.save(run.append(1));
    world.files = unreadable('EIO');
    const [finding] = await verify(run);
    expect(finding?.message).toContain('the disk cannot read it');
    await expect(world.files.inspect('r')).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });

  test('has more runs of one folder than are read at a time, and no foreign file', async () => {
    const folder = world.files.folderOf('r');
    const ids = Array.from({ length: 6_000 }, (_, i) => `run ${i}`);
    const same = ids.filter((id) => world.files.folderOf(id) === folder);
    expect(same.length).toBeGreaterThan(8);
    for (const id of same) {
      const run = new Growing(id);
      await run.save(run.append(1));
    }
    for (const name of ['notes.txt', 'x.0.ndjson', 'x.ndjson']) {
      await writeFile(join(folder, name), 'not ours');
    }
    const listed = await Array.fromAsync(world.files.list(), ({ runId }) => runId);
    expect(listed.toSorted()).toEqual(same.toSorted());
  });

  test('removes every file of a deleted run, known or not', async () => {
    const [gone, stays] = [new Growing('r'), new Growing('r.1')];
    for (const run of [gone, stays]) for (let i = 0; i < 3; i++) await run.save(run.append(1));
    await world.files.removeRun('r');
    expect(await world.files.inspect('r')).toBeUndefined();
    expect(await world.files.readEvents('r.1', stays.parts, 0, 10)).toEqual(stays.all);
  });
});
