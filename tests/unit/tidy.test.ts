import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { globSync } from 'tinyglobby';

const root = join(import.meta.dirname, '../..');

const files = globSync('**', {
  cwd: root,
  dot: true,
  ignore: ['.git', '.cache', '.holdfast', 'coverage', 'dist', '**/node_modules', 'tests/fixtures'],
});

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const sources = files
  .filter((path) => /^(src|tests|scripts|bench)\/.*\.(ts|mjs)$/.test(path))
  .map((path) => ({ path, lines: read(path).replace(/\n$/, '').split('\n') }));

/** `file:line` of each line that matches, for a message that says where to go. */
function linesMatching(pattern: RegExp, exempt = /^$/): string[] {
  return sources
    .filter(({ path }) => !exempt.test(path))
    .flatMap(({ path, lines }) =>
      lines.flatMap((line, n) => (pattern.test(line) ? [`${path}:${n + 1}`] : [])),
    );
}

const self = /^tests\/unit\/tidy\.test\.ts$/;

describe('the source stays tidy', () => {
  test('no file is longer than 500 lines', () => {
    const long = sources.filter(({ lines }) => lines.length > 500).map(({ path }) => path);
    expect(long).toEqual([]);
  });

  test('half of the files in src have 150 lines or fewer', () => {
    const lengths = sources
      .filter(({ path }) => path.startsWith('src/'))
      .map(({ lines }) => lines.length)
      .toSorted((a, b) => a - b);
    expect(lengths[Math.floor(lengths.length / 2)] ?? 0).toBeLessThanOrEqual(150);
  });

  test('no line is longer than 120 columns', () => {
    expect(linesMatching(/^.{121,}$/u)).toEqual([]);
  });

  test('nothing is left over to be done later', () => {
    expect(linesMatching(/\b(TODO|FIXME|XXX|HACK)\b/, self)).toEqual([]);
  });

  test('no type is `any` and no type error is hidden', () => {
    expect(
      linesMatching(/[:<|&,(]\s*any\b(?!\s*\w)|\bas any\b|@ts-(ignore|expect-error)/, self),
    ).toEqual([]);
  });

  test('no file is a drawer for odds and ends', () => {
    const drawers = sources
      .map(({ path }) => path)
      .filter((path) => /^(utils?|helpers?|common|misc)\b/i.test(basename(path)));
    expect(drawers).toEqual([]);
  });

  test('the environment is read only at the edges', () => {
    const edges = /^(src\/(cli\.ts|cli\/.*|index\.ts)|(scripts|tests|bench)\/.*)$/;
    expect(linesMatching(/\bprocess\.env\b/, edges)).toEqual([]);
  });

  test('no file names a place on one machine or a package registry', () => {
    const places =
      /(?<![\w.-])\/(home|Users|root|work)\/[\w.]|\bregistry\.[a-z]+js\.org|"resolved":/;
    const found = files.filter((path) => !self.test(path) && places.test(read(path)));
    expect(found).toEqual([]);
  });
});
