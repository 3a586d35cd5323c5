import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isStoreError } from '../../../src/index.ts';
import type { LoadedMigration } from '../../../src/lib/migrations/migration.ts';
import { ordered } from '../../../src/lib/migrations/order.ts';

function migration(name: string, ...requires: string[]): LoadedMigration {
  const rest = { checksum: '', transactional: true, up: [], down: undefined, verify: undefined };
  return { name, source: `${name}.sql`, requires, warnings: [], ...rest };
}

const names = (...migrations: LoadedMigration[]) => ordered(migrations).map(({ name }) => name);

function refusal(...migrations: LoadedMigration[]): string {
  try {
    return names(...migrations).join();
  } catch (error) {
    return isStoreError(error, 'MIGRATION_INVALID') ? error.message : String(error);
  }
}

describe('the order of migrations [MG-6]', () => {
  test('is that of their names, the same on every machine', () => {
    const given = ['20240101_b', '20231231_a', 'ä', 'Z', 'a', '10', '9'].map((n) => migration(n));
    expect(names(...given)).toEqual(['10', '20231231_a', '20240101_b', '9', 'Z', 'a', 'ä']);
  });

  test('puts each behind what it requires', () => {
    expect(names(migration('1', '3'), migration('2'), migration('3', '2'))).toEqual([
      '2',
      '3',
      '1',
    ]);
  });

  test('is refused where something required is not there', () => {
    expect(refusal(migration('1', '0'))).toBe(
      '1.sql: it requires 0, and there is no such migration',
    );
  });

  test('is not refused where something required was applied, and is not there any more', () => {
    const order = ordered([migration('2', '1'), migration('3', '0')], ['0', '1']);
    expect(order.map(({ name }) => name)).toEqual(['2', '3']);
    expect(() => ordered([migration('2', '1')], ['0'])).toThrow('it requires 1, and there is no');
  });

  test('is refused where a name is used twice', () => {
    const twin = { ...migration('1'), source: '1.ts' };
    expect(refusal(migration('1'), twin)).toContain('1.ts: it has the name of 1.sql');
  });

  test.each<[string, LoadedMigration[]]>([
    ['a → a', [migration('a', 'a')]],
    ['a → b → a', [migration('a', 'b'), migration('b', 'a')]],
    ['b → c → b', [migration('a', 'b'), migration('b', 'c'), migration('c', 'b')]],
    [
      'b → c → d → b',
      [migration('0'), migration('b', '0', 'c'), migration('c', 'd'), migration('d', 'b')],
    ],
  ])('is refused for a circle, with its path: %s', (path, given) => {
    expect(refusal(...given)).toMatch(new RegExp(`go round in a circle: ${path}$`));
  });

  test('never puts anything before what it requires, whatever requires what', () => {
    // Each may require only smaller numbers: no circle; the names are in no relation to that.
    const graphs = fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.array(fc.nat(20))), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(graphs, (graph) => {
        const given = graph.map(([text, required], n) =>
          migration(
            `${text}${n}`,
            ...required.filter((r) => r < n).map((r) => `${graph[r]?.[0]}${r}`),
          ),
        );
        const order = names(...given);
        for (const { name, requires } of given) {
          for (const r of requires) expect(order.indexOf(r)).toBeLessThan(order.indexOf(name));
        }
      }),
    );
  });
});
