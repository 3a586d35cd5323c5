import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EMPTY_RUN } from '../../src/lib/model/represent.ts';
import { IndexUnusable, RunIndex } from '../../src/lib/store/index/RunIndex.ts';

const identity = { storeId: 'store-1', timeline: 1 };
const at = '2026-01-02T03:04:05.678Z';
const finding = { code: 'DATA_CORRUPT', file: 'f', byte: 7, message: 'f, byte 7: no' } as const;

let root: string;
let path: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-index-'));
  path = join(root, 'index.db');
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** An index with a row in every table, changed once more after it was made. */
function makeIndex(): void {
  using index = RunIndex.open(path, identity);
  const row = { ...EMPTY_RUN, id: 'the-run', version: 1, workflow: 'w', createdAt: at };
  const run = { row: { ...row, updatedAt: at }, createdPosition: 1, position: 1, parts: [] };
  index.put({ ...run, row: { ...run.row, tags: { team: 'red' } } });
  index.putEventKey('the-run', 'the-key', 1);
  index.putDamage('\0a file', finding);
  index.stamp(1, 0);
  index.flush(Infinity);
  const tags = { team: 'search' };
  index.put({ ...run, row: { ...run.row, project: null, status: 'failed', endedAt: at, tags } });
  index.putEventKey('the-run', 'the-key', 2);
  index.stamp(2, 1);
  index.flush(Infinity);
}

function open(): void {
  RunIndex.open(path, identity).close();
}

describe('an index that nobody closed in order', () => {
  test('is used when every row is as it was written', () => {
    makeIndex();
    using index = RunIndex.open(path, identity);
    expect(index.list().items).toMatchObject([{ id: 'the-run', status: 'failed' }]);
    expect(index.eventSeq('the-run', 'the-key')).toBe(2);
    expect([...index.damages]).toEqual([['\0a file', finding]]);
    expect([index.position, index.checkpoint]).toEqual([2, 1]);
  });

  // Where one flipped bit makes another value, or another schema, and every page stays well formed.
  test.each([
    ['the text of a run', '"workflow":"w"', 13],
    ['the parts of a run', '[]{"id"', 0],
    ['a tag', 'teamsearch', 5],
    ['the key of an event', 'the-runthe-key', 9],
    ['a finding', 'byte 7: no', 9],
    ['the name of a column', 'seq INTEGER', 0],
    ['the store that it belongs to', 'store-1', 3],
  ])('is refused when a bit is flipped in %s', async (_what, text, offset) => {
    makeIndex();
    const bytes = await readFile(path);
    const byte = bytes.indexOf(text) + offset;
    expect(byte).toBeGreaterThan(offset);
    // Letters change their case, digits their value.
    bytes[byte] = (bytes[byte] as number) ^ (/[a-z]/i.test(text.charAt(offset)) ? 0x20 : 1);
    await writeFile(path, bytes);
    expect(open).toThrow(IndexUnusable);
  });

  // Found by HOLDFAST_SEED=21261132, as a torn sector in the schema: SQLite calls it "too big", not corrupt.
  test('is refused when a row says that it is longer than SQLite allows', async () => {
    makeIndex();
    const bytes = await readFile(path);
    const [payloadSize, rowId, header] = [2, 1, 7];
    const cell = bytes.lastIndexOf('tablemetameta') - header - rowId - payloadSize;
    expect(cell).toBeGreaterThan(0);
    // Length of the row, its number, length of its header, type of its first column: a text of 1 GiB.
    const types = [0x0b, 0x87, 0xff, 0xff, 0xff, 0x7f];
    Buffer.from([0x87, 0xff, 0xff, 0xff, 0x7f, 1, ...types]).copy(bytes, cell);
    await writeFile(path, bytes);
    expect(open).toThrow(IndexUnusable);
    expect(open).toThrow('too big');
  });

  test.each([
    ['a position that is another', 'UPDATE meta SET position = 3'],
    ['a checkpoint that is another', 'UPDATE meta SET checkpoint = 2'],
    ['a checksum that is another', 'UPDATE meta SET crc = crc + 1'],
    ['an event elsewhere', 'UPDATE event_keys SET seq = 3'],
    ['a run with another position', 'UPDATE runs SET position = position + 1'],
    ['a run without its end', 'UPDATE runs SET ended_ms = NULL'],
    ['a tag of another run', 'UPDATE run_tags SET run = run + 1'],
    ['a count that is too high', "UPDATE run_counts SET count = count + 1 WHERE status = 'failed'"],
    ['a count of what is not there', "INSERT INTO run_counts VALUES ('blocked', 1)"],
    ['a count that is missing', 'DELETE FROM run_counts'],
    ['a number too large for anybody', 'UPDATE meta SET position = 9223372036854775807'],
    ['a format too large for anybody', 'UPDATE meta SET format = 9223372036854775807'],
    ['no row that says what it is', 'DELETE FROM meta'],
    ['one more table', 'CREATE TABLE more (n)'],
  ])('is refused with %s', (_what, sql) => {
    makeIndex();
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
    expect(open).toThrow(IndexUnusable);
  });
});
