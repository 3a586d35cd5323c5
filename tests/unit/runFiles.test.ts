import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EMPTY_ARTIFACT, EMPTY_STEP } from '../../src/lib/model/represent.ts';
import { OffsetTable } from '../../src/lib/store/FileSystemStore/runFiles/footer.ts';
import {
  beginWorld,
  corrupt,
  damage,
  endWorld,
  fresh,
  Growing,
  linesOf,
  namesIn,
  verify,
  world,
} from './runFiles/growing.ts';

const KiB = 1024;

beforeEach(beginWorld);
afterEach(endWorld);

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
    const { state, position, createdPosition } = await world.files.readRows('r-1', run.parts);
    expect([position, createdPosition, state.lastSeq]).toEqual([run.position, 1, 3]);
    expect(state.run).toEqual(run.state.run);
    expect([...state.steps.values()]).toEqual([...run.state.steps.values()]);
    expect(state.stepIdByKey.get('key of a')).toBe('a');
    expect([...state.artifacts.entries()]).toEqual([...run.state.artifacts.entries()]);
  });

  test('is text, a line a row and an event, under two digits of a hash of the id', async () => {
    const run = new Growing('a-run');
    await run.save(run.append(2));
    expect(basename(world.files.folderOf('a-run'))).toMatch(/^[0-9a-f]{2}$/);
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
      expect((await world.files.readRows(id, run.parts)).state.run?.id).toBe(id);
    }
    const listed = await Array.fromAsync(world.files.list(), ({ runId }) => runId);
    expect(listed.toSorted()).toEqual(ids.toSorted());
    expect(await readdir(world.root)).toEqual(['runs']);
  });

  test('is read by one port read, whatever it holds', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 2_000; i++) run.state.putStep({ ...EMPTY_STEP, id: `${i}`, name: 'n' });
    await run.save(run.append(100));
    world.reads = 0;
    const { state } = await world.files.readRows('r', run.parts);
    expect([...state.steps.values()]).toHaveLength(2_000);
    expect(world.reads).toBe(1);
  });

  test('takes the rows as they were at the call, however long the write lasts', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 3_000; i++) run.state.putStep({ ...EMPTY_STEP, id: `${i}`, name: 'n' });
    const writing = run.save(run.append(10));
    for (let i = 0; i < 3_100; i++) run.state.putStep({ ...EMPTY_STEP, id: `${i}`, name: 'later' });
    await writing;
    const { state } = await world.files.readRows('r', run.parts);
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
    world.folderSyncs = 0;
    const [state, parts, events] = [run.state, run.parts, linesOf(run.append(1))];
    const input = { runId: 'r', state, position: 9, createdPosition: 1, parts, events };
    const written = await world.files.writePart({ ...input, ended: false });
    expect(world.folderSyncs).toBe(0);
    await world.files.syncParts([written]);
    expect(world.folderSyncs).toBe(1);
  });

  test('is not there, and the older ones are, when a write of it fails [FO-1]', async () => {
    const run = new Growing('r');
    await run.save(run.append(5));
    const { parts } = run;
    const added = run.append(2_000, 1_000);
    for (let n = 1; n <= 3; n++) {
      world.failWrite = n;
      await expect(run.save(added)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      world.failWrite = 0;
      expect(await namesIn(run)).toEqual(['r.1.ndjson']);
    }
    expect(await world.files.readEvents('r', parts, 0, 10)).toEqual(run.all.slice(0, 5));
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
      const page = await world.files.readEvents('r', run.parts, after as number, limit as number);
      expect(page).toEqual(run.all.slice(after, (after as number) + (limit as number)));
    }
    expect(await world.files.readEvents('r', run.parts, 1_665, 10)).toEqual([]);
  });

  test('costs one read of a footer and one of data, and the footer only once', async () => {
    const run = new Growing('r');
    await run.save(run.append(50_000, 100));
    world.files = fresh();
    world.reads = 0;
    await world.files.readEvents('r', run.parts, 25_000, 100);
    expect(world.reads).toBe(2);
    const page = await world.files.readEvents('r', run.parts, 49_000, 100);
    expect(page.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, i) => 49_001 + i));
    expect(world.reads).toBe(3);
  });

  test('finds large events too, with the same few reads', async () => {
    const run = new Growing('r');
    await run.save(run.append(200, 50 * KiB));
    world.files = fresh();
    world.reads = 0;
    expect(await world.files.readEvents('r', run.parts, 100, 20)).toEqual(run.all.slice(100, 120));
    expect(world.reads).toBe(2);
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
    world.files = fresh();
    const reading = world.files.readEvents('r', old, 0, 5);
    await expect(reading).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await world.files.readEvents('r', run.parts, 0, 10)).toEqual(run.all);
  });

  test('refuses a list of parts with a hole in it, but serves what lies after it', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 3; i++) await run.save(run.append(10));
    const holed = run.parts.filter(({ part }) => part !== 2);
    const reading = world.files.readEvents('r', holed, 5, 20);
    await expect(reading).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    expect(await world.files.readEvents('r', holed, 20, 20)).toEqual(run.all.slice(20));
  });

  test('gives the keys, and reads no part that has none', async () => {
    const run = new Growing('r');
    await run.save(run.append(300));
    await run.save(run.append(2, 10, true));
    world.files = fresh();
    world.reads = 0;
    const keys = await Array.fromAsync(world.files.readKeys('r', run.parts));
    expect(keys).toEqual([301, 302].map((seq) => ({ key: `key ${seq}`, seq })));
    expect(world.reads).toBe(2);
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
    expect(await world.files.readEvents('r', run.parts, 0, 100)).toEqual(run.all);
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
    expect(await world.files.readEvents('r', run.parts, 3_590, 30)).toEqual(
      run.all.slice(3_590, 3_620),
    );
    expect(await verify(run)).toEqual([]);
  });

  test('makes one file of a run that has ended', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 3; i++) await run.save(run.append(40, 30 * KiB));
    await run.save([], true);
    expect(run.parts).toHaveLength(1);
    expect(await namesIn(run)).toEqual(['r.4.ndjson']);
    expect(await world.files.readEvents('r', run.parts, 0, 1_000)).toEqual(run.all);
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
    expect(await world.files.readEvents('r', run.parts, 0, 10)).toEqual(run.all);
  });

  test('leaves a damaged part alone, reports it, and still saves what is new', async () => {
    const run = new Growing('r');
    for (let i = 0; i < 8; i++) await run.save(run.append(1));
    const broken = run.path(run.parts[4]);
    const byte = await damage(broken, '"5 xx');
    const { damage: reported } = await run.save(run.append(1));
    expect(reported).toEqual(corrupt(broken, byte));
    expect(run.parts.map(({ part }) => part)).toEqual([1, 2, 3, 4, 5, 9]);
    expect(await world.files.readEvents('r', run.parts, 5, 10)).toEqual(run.all.slice(5));
    await expect(world.files.readEvents('r', run.parts, 0, 10)).rejects.toEqual(
      corrupt(broken, byte),
    );
  });
});
