import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openStore } from '../../src/index.ts';
import { World } from './cliWorld.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
  const store = await openStore(world.url);
  await store.runs.create({ id: 'kept-run', workflow: 'w' });
  for (const n of [1, 2, 3, 4]) {
    await store.events.append('kept-run', { type: 'n', payload: `fact number ${n}` });
  }
  await store.close();
});
afterEach(() => world.remove());

/** Changes one letter of an acknowledged commit. Gives the segment's name and the byte. */
async function damage(): Promise<string> {
  const folder = world.path('store/journal');
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const bytes = await readFile(path);
    const at = bytes.indexOf('fact number 2');
    if (at < 0) continue;
    bytes[at] = 'F'.charCodeAt(0);
    await writeFile(path, bytes);
    return name;
  }
  throw new Error('no segment holds the second event');
}

describe('a damaged store', () => {
  test('is refused by what writes, with file and byte, and code 5', async () => {
    const segment = await damage();
    const { code, stderr } = await world.run(['record', '--', 'true']);
    expect(code).toBe(5);
    expect(stderr).toMatch(/^holdfast: [^\n]+ — [^\n]*holdfast repair[^\n]*\n$/);
    expect(stderr).toContain(segment);
  });

  test('can still be looked at', async () => {
    await damage();
    const { code, stdout } = await world.run(['ls', '--json']);
    expect({ code, lines: stdout.trim().split('\n').length }).toEqual({ code: 0, lines: 1 });
  });

  test('verify lists file and byte, and ends with code 5', async () => {
    const segment = await damage();
    const { code, stdout, stderr } = await world.run(['verify']);
    expect(code).toBe(5);
    expect(stdout).toMatch(
      new RegExp(`^✖ [^ ]*${segment}, byte \\d+: [^/]*\\(JOURNAL_CORRUPT\\)`, 'm'),
    );
    expect(stderr).toContain('holdfast repair');
    const { findings } = JSON.parse((await world.run(['verify', '--json'])).stdout) as {
      findings: unknown[];
    };
    expect(findings).toContainEqual(expect.objectContaining({ byte: expect.any(Number) }));
  });

  test('repair asks first, and changes nothing when the answer is no', async () => {
    await damage();
    const terminal = { stdin: true, stdout: true, stderr: true };
    let asked = '';
    const confirm = (question: string): Promise<boolean> => {
      asked = question;
      return Promise.resolve(false);
    };
    const { code } = await world.run(['repair', '--no-color'], { terminal, confirm });
    expect(code).toBe(1);
    expect(asked).toMatch(/^Repair the journal of file:.*\[y\/N\] $/);
    expect((await world.run(['record', '--', 'true'])).code).toBe(5);
  });

  test('repair changes nothing when there is nobody to ask', async () => {
    await damage();
    const { code, stderr } = await world.run(['repair']);
    expect(code).toBe(2);
    expect(stderr).toContain('there is nobody to ask — give --yes');
  });

  test('stats takes what stands behind the damage for no unacknowledged tail', async () => {
    await damage();
    const { stdout } = await world.run(['stats']);
    expect(stdout).toMatch(/^opened .* that follow the damage left out/m);
    expect(stdout).not.toContain('unacknowledged');
  });

  test('what a repair does not mend is named, without a question, with code 5', async () => {
    const bytes = new Uint8Array(2_000).fill(7);
    await world.run(['record', '--name', 's', '--', 'echo', 'kept in a log']);
    const log = (await readdir(world.path('store/blobs'), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    await writeFile(log[0] ?? '', bytes);
    const verify = await world.run(['verify']);
    expect(verify.code).toBe(5);
    expect(verify.stdout).toContain('(DATA_CORRUPT)');
    expect(verify.stderr).not.toContain('or run `holdfast repair`');
    const { code, stdout, stderr } = await world.run(['repair']);
    expect(code).toBe(5);
    expect(stdout).toContain(log[0]);
    expect(stdout).toContain('nothing is wrong with the journal, nothing was changed');
    expect(stderr).toContain('restore 1 named file from a backup, or delete the run');
  });

  test('repair --yes makes it usable, and says where it kept what was there', async () => {
    await damage();
    const { code, stdout } = await world.run(['repair', '--yes']);
    expect(code).toBe(0);
    const kept = /the journal as it was is in (.+)\n/.exec(stdout)?.[1];
    expect(await readdir(kept ?? '')).not.toEqual([]);
    expect((await world.run(['record', '--', 'true'])).code).toBe(0);
    expect((await world.run(['verify'])).code).toBe(0);
  });
});
