import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openStore, type Store } from '../../src/index.ts';

const WRITER = new URL('writer.ts', import.meta.url).pathname;
const STEP_ORDER = ['queued', 'running', 'succeeded'];

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-kill-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs a writer, kills it after so many acknowledgements, and returns what it had acknowledged. */
function killedAfter(
  url: string,
  callers: number,
  prefix: string,
  lines: number,
): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const args = [WRITER, url, String(callers), prefix];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.split('\n').length > lines) child.kill('SIGKILL');
    });
    child.once('error', reject);
    child.once('close', (_code, signal) => {
      if (signal !== 'SIGKILL')
        reject(new Error(`the writer ended by itself: ${text.slice(-500)}`));
      // A last line without its newline was cut by the kill.
      else resolve(text.slice(0, text.lastIndexOf('\n')).split('\n').slice(1));
    });
  });
}

async function expectAcknowledged(store: Store, line: string): Promise<void> {
  const [what, id = '', detail = ''] = line.split(' ');
  if (what === 'run') expect((await store.runs.get(id)).id).toBe(id);
  if (what === 'event') {
    const seq = Number(detail);
    const [event] = (await store.events.list(id, { after: seq - 1, limit: 1 })).items;
    expect(event).toMatchObject({ seq, payload: { seq, text: 'x'.repeat(seq * 50) } });
  }
  if (what === 'step') {
    const { status } = await store.steps.get(id, 'only');
    expect(STEP_ORDER.indexOf(status)).toBeGreaterThanOrEqual(STEP_ORDER.indexOf(detail));
    // The transaction set both or neither.
    const { tags } = await store.runs.get(id);
    expect(tags['done'] === 'yes').toBe(status === 'succeeded');
  }
}

describe('a process killed by SIGKILL', () => {
  it.each([1, 8])(
    'has lost nothing that it acknowledged, again and again, with %i callers [EM-3] [ST-1]',
    async (callers) => {
      const url = `file:${folder}/store`;
      const acknowledged: string[] = [];
      for (let cycle = 0; cycle < 6; cycle++) {
        const lines = 40 + cycle * 71;
        acknowledged.push(...(await killedAfter(url, callers, `c${cycle}`, lines)));
        await using store = await openStore(url);
        for (const line of acknowledged) await expectAcknowledged(store, line);
        expect((await store.verify()).findings).toEqual([]);
      }
      expect(acknowledged.length).toBeGreaterThan(500);
    },
    60_000,
  );
});
