import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Progress } from '../proof/crashes/progress.ts';

describe('an exploration of hours', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-progress-'));
    file = join(folder, 'sub', 'a.json');
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function round(...keys: string[]): void {
    const progress = new Progress(file);
    for (const key of keys) progress.states.add(key);
    progress.add({ whole: 1, crashes: 2 });
  }

  test('goes on where its last whole round ended', () => {
    round('a', 'b');
    round('b', 'c');
    const stopped = new Progress(file);
    stopped.states.add('lost');
    const { states, totals } = new Progress(file);
    expect([...states]).toEqual(['a', 'b', 'c']);
    expect(totals).toEqual({ rounds: 2, whole: 2, crashes: 4 });
  });

  test('forgets what a round that was stopped while it was kept has left', () => {
    round('a', 'b');
    appendFileSync(`${file}.states`, 'c\nhal');
    expect([...new Progress(file).states]).toEqual(['a', 'b']);
    round('d');
    expect([...new Progress(file).states]).toEqual(['a', 'b', 'd']);
  });

  test('begins anew when the sources are not those that it explored', () => {
    round('a', 'b');
    const kept = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...kept, sources: 'others' }));
    expect(new Progress(file).totals.rounds).toBe(0);
    round('z');
    expect([...new Progress(file).states]).toEqual(['z']);
  });
});
