import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ERROR_CODES } from '../../src/index.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8');

/** `| CODE | yes | meaning | remedy |` → its cells. */
const rows = text
  .split('\n')
  .filter((line) => /^\| `[A-Z_]+`/.test(line))
  .map((line) => line.split('|').slice(1, -1))
  .map((cells) => cells.map((cell) => cell.trim()));

describe('docs/errors.md', () => {
  test('lists every code, once, and none that does not exist', () => {
    const documented = rows.map(([code = '']) => code.replaceAll('`', ''));
    expect(documented.toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted());
  });

  test.each(Object.entries(ERROR_CODES))(
    'says of %s what the table in code says',
    (code, entry) => {
      const row = rows.find(([cell]) => cell === `\`${code}\``);
      expect(row).toEqual([
        `\`${code}\``,
        entry.retryable ? 'yes' : 'no',
        entry.meaning,
        entry.remedy,
      ]);
    },
  );
});
