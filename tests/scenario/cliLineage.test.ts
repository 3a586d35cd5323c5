import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openStore } from '../../src/index.ts';
import { World } from './cliWorld.ts';

let world: World;

beforeAll(async () => {
  world = await World.create();
  await using store = await openStore(world.url);
  for (const id of ['in', 'work']) await store.runs.create({ id, workflow: 'w' });
  const of = (runId: string, name: string) => ({ runId, name, version: 1 });
  await store.artifacts.put('in', { name: 'raw "A"', body: 'r' });
  await store.artifacts.put('work', { name: 'a', body: 'a', parents: [of('in', 'raw "A"')] });
  await store.artifacts.put('work', { name: 'b', body: 'b', parents: [of('in', 'raw "A"')] });
  const parents = [of('work', 'a'), of('work', 'b')];
  await store.artifacts.put('work', { name: 'model', body: 'm', parents, aliases: ['best'] });
  await store.artifacts.put('work', { name: 'report', body: 'x', parents: [of('work', 'model')] });
  await store.artifacts.delete('work', 'b');
});
afterAll(() => world.remove());

describe('holdfast artifacts lineage', () => {
  test('draws what an artifact was made from, and what was made from it [AR-4]', async () => {
    const { code, stdout } = await world.run(['artifacts', 'lineage', 'work', 'model@best']);
    expect(code).toBe(0);
    expect(stdout).toBe(
      [
        'work/model@1',
        'made from',
        '├─ work/a@1',
        '│  └─ in/raw "A"@1',
        '└─ work/b@1 (deleted)',
        '   └─ in/raw "A"@1',
        'made into',
        '└─ work/report@1',
        '',
      ].join('\n'),
    );
  });

  test('goes one way and so far as it is told [AR-4]', async () => {
    const argv = ['artifacts', 'lineage', 'work', 'model', '--direction', 'ancestors'];
    const { stdout } = await world.run([...argv, '--depth', '1']);
    expect(stdout.split('\n')).toHaveLength(5);
    expect(stdout).not.toContain('raw');
  });

  test('speaks DOT, Mermaid and JSON [AR-4]', async () => {
    const argv = ['artifacts', 'lineage', 'work', 'model', '--direction', 'ancestors'];
    const dot = await world.run([...argv, '--format', 'dot']);
    expect(dot.stdout).toContain('  "in/raw \\"A\\"@1" -> "work/a@1";\n');
    expect(dot.stdout).toContain('  "work/b@1" [style=dashed];\n');
    expect(dot.stdout).toMatch(/^digraph lineage \{\n[^]*\n\}\n$/);
    const mermaid = await world.run([...argv, '--format', 'mermaid']);
    expect(mermaid.stdout).toMatch(/^flowchart LR\n {2}n0\["work\/model@1"\]\n/);
    expect(mermaid.stdout).toContain('["in/raw #quot;A#quot;@1"]\n');
    expect(mermaid.stdout).toMatch(/\n {2}n1 --> n0\n/);
    const json = await world.run([...argv, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      root: { name: 'model' },
      edges: { length: 4 },
    });
  });

  test('refuses what it does not know', async () => {
    const failures = [
      [['artifacts', 'lineage', 'work', 'no'], 3],
      [['artifacts', 'lineage', 'work'], 2],
      [['artifacts', 'work', 'model'], 2],
      [['artifacts', 'lineage', 'work', 'model', '--format', 'svg'], 2],
    ] as const;
    for (const [argv, code] of failures) expect((await world.run(argv)).code).toBe(code);
  });
});
