import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { EMPTY_RUN } from '../../src/lib/model/represent.ts';
import { RunIndex } from '../../src/lib/store/index/RunIndex.ts';

const identity = { storeId: 'store-1', timeline: 1 };
const finding = { code: 'DATA_CORRUPT', file: 'f', byte: 7, message: 'f, byte 7: no' } as const;
const at = '2026-01-02T03:04:05.678Z';

let root: string;
let index: RunIndex;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-index-'));
  index = RunIndex.open(join(root, 'index.db'), identity);
});
afterEach(async () => {
  index.close();
  await rm(root, { recursive: true, force: true });
});

function reopen(): void {
  index.flush(Infinity);
  index.close();
  index = RunIndex.open(join(root, 'index.db'), identity);
}

function put(id: string): void {
  const row = { ...EMPTY_RUN, id, version: 1, workflow: 'w', createdAt: at, updatedAt: at };
  index.put({ row, createdPosition: 1, position: 1, parts: [] });
}

const ids = (): string[] => index.list().items.map(({ id }) => id);

test('a damaged run is in no list until it is deleted, also after reopening', () => {
  put('a');
  put('b');
  index.putEventKey('a', 'k', 1);
  reopen();
  index.putDamage('a', finding);
  expect(index.get('a')).toBeUndefined();
  reopen();
  expect([...index.damages]).toEqual([['a', finding]]);
  expect(ids()).toEqual(['b']);
  expect(index.counts().queued).toBe(1);
  expect(index.eventSeq('a', 'k')).toBeUndefined();
  index.delete('a');
  put('a');
  expect(index.damages.size).toBe(0);
  reopen();
  expect(index.damages.size).toBe(0);
  expect(ids().toSorted()).toEqual(['a', 'b']);
});
