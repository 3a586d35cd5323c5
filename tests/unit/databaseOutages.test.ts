import { setImmediate } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { StoreError } from '../../src/index.ts';
import { Outages } from '../../src/lib/store/DatabaseStore/outages.ts';
import { ManualClock } from '../../src/testkit.ts';

const away = new StoreError('STORAGE_FAILED', 'away');
const MAX_PAUSE_MS = 2_000;

let clock: ManualClock;
let outages: Outages;
/** What the next reads fail with. */
let failures: StoreError[];
let reads: number;

beforeEach(() => {
  clock = new ManualClock();
  outages = over('postgres');
  failures = [];
  reads = 0;
});

/** Each pause is as long as it may be. */
function over(dialect: 'postgres' | 'sqlite'): Outages {
  return new Outages({
    dialect,
    clock,
    random: { bytes: (count) => new Uint8Array(count).fill(255) },
  });
}

const read = async () => {
  reads++;
  const failure = failures.shift();
  if (failure !== undefined) throw failure;
  return 'answer';
};

/** Moves the clock until `work` has ended; how long that took. */
async function passing(work: Promise<unknown>, stepMs = 50): Promise<number> {
  const begin = clock.ms;
  let isOver = false;
  void work.catch(() => undefined).finally(() => (isOver = true));
  await setImmediate();
  while (!isOver) {
    clock.advance(stepMs);
    await setImmediate();
  }
  return clock.ms - begin;
}

describe('who waits for what is to come', () => {
  test('is answered when the database is back, after pauses that grow [ED-4]', async () => {
    failures = Array.from({ length: 8 }, () => away);
    const answer = outages.outlast(read);
    const tookMs = await passing(answer);
    expect(await answer).toBe('answer');
    expect(reads).toBe(9);
    // 100, 200, 400, 800, 1600, and 2000 three times.
    expect(tookMs).toBeGreaterThan(8_500);
    expect(tookMs).toBeLessThan(10_000);
  });

  test('is told the last failure after a minute [ED-4]', async () => {
    failures = Array.from({ length: 999 }, (_, n) => new StoreError('STORAGE_FAILED', `${n}`));
    const answer = outages.outlast(read);
    const tookMs = await passing(answer);
    await expect(answer).rejects.toThrow(`${reads - 1}`);
    expect(tookMs).toBeGreaterThanOrEqual(60_000);
    expect(tookMs).toBeLessThanOrEqual(60_000 + MAX_PAUSE_MS);
  });

  test('has a minute for each outage [ED-4]', async () => {
    for (const _ of [1, 2, 3]) {
      failures = Array.from({ length: 18 }, () => away);
      const answer = outages.outlast(read);
      expect(await passing(answer)).toBeGreaterThan(25_000);
      expect(await answer).toBe('answer');
    }
  });

  test('is told at once what does not pass [ED-4]', async () => {
    for (const failure of [new StoreError('DATA_CORRUPT', 'damaged'), new TypeError('mistake')]) {
      const answer = outages.outlast(() => Promise.reject(failure));
      await expect(answer).rejects.toBe(failure);
    }
    failures = [away, new StoreError('POSITION_EXPIRED', 'trimmed')];
    const late = outages.outlast(read);
    await passing(late);
    await expect(late).rejects.toThrow('trimmed');
  });

  test('is told at once of a file that cannot be read [ED-4]', async () => {
    failures = [away];
    await expect(over('sqlite').outlast(read)).rejects.toBe(away);
  });

  test('may go in a pause, without another read [ED-4]', async () => {
    failures = [away];
    const stop = new AbortController();
    const answer = outages.outlast(read, stop.signal);
    await setImmediate();
    stop.abort();
    expect(await answer).toBeUndefined();
    expect(reads).toBe(1);
  });

  test('is let go of at close [ED-4]', async () => {
    failures = [away, away];
    const answer = outages.outlast(read);
    await setImmediate();
    outages.close();
    expect(await answer).toBeUndefined();
    expect(await outages.outlast(read)).toBeUndefined();
    expect(reads).toBe(2);
  });
});
