import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ERROR_CODES } from '../../src/index.ts';
import { Page, ROOT } from './document.ts';
import { runProgram } from './program.ts';

const page = new Page('docs/files.md');
/** The blocks of the page, by words in them. */
const BLOCKS = {
  writing: 'writeAtomicAll',
  trees: 'tree.glob',
  links: 'links.create',
  inside: 'links.inside',
  names: 'names.portable',
  watching: 'watch.changes',
};
const blockOf = (name: keyof typeof BLOCKS): string =>
  page.blocks('ts').find((block) => block.includes(BLOCKS[name])) ?? '';

const BEFORE = `import { FileOperationService, isStoreError } from 'holdfast/files';
  const files = new FileOperationService();
  const tell = (value) => console.log(JSON.stringify(value));`;

let folder: string;
const at = (name: string): string => join(folder, 'data', name);

/** Runs a block as it stands, between what it takes for granted and what tells of it. */
function run(block: string, before: string, after: string): Promise<unknown> {
  expect(block).not.toBe('');
  return runProgram({ folder, text: `${before}\n${block}\n${after}` });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-files-docs-'));
  await mkdir(join(folder, 'data'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('docs/files.md', () => {
  test('writes files so that they are whole [FO-1]', async () => {
    const block = blockOf('writing');
    expect(await run(block, '', 'console.log(JSON.stringify(text));')).toBe('{"colour":"blue"}');
    expect(await readFile(at('b.txt'), 'utf8')).toBe('two');
  });

  test('finds files by a pattern [FO-5]', async () => {
    for (const name of ['b.txt', 'a.json', 'c.md']) await writeFile(at(name), name);
    await mkdir(at('node_modules'));
    await writeFile(at('node_modules/x.txt'), '');
    const told = await run(
      blockOf('trees'),
      `${BEFORE}
      const { signal } = new AbortController();
      const log = console.log;
      const seen = [];
      console.log = (...line) => seen.push(line);`,
      'log(JSON.stringify(seen));',
    );
    expect(told).toEqual([
      ['a.json', 6],
      ['b.txt', 5],
    ]);
  });

  test('makes links, follows them inside, and refuses to leave [FO-6]', async () => {
    await writeFile(at('a.txt'), 'one');
    await writeFile(at('b.txt'), 'two');
    const block = blockOf('links');
    const before = (name: string) =>
      `${BEFORE} const uploaded = { name: ${JSON.stringify(name)}, bytes: 'up' };`;
    const told = await run(block, before('c.txt'), 'tell(new TextDecoder().decode(latest));');
    expect(told).toBe('two');
    expect(await readFile(at('c.txt'), 'utf8')).toBe('up');
    await rm(at('latest.txt'));
    await symlink(folder, at('out'));
    for (const name of ['../../etc/passwd', 'out/c.txt']) {
      const asCaller = `const code = await (async () => {\n${block}\n})().catch(({ code }) => code);`;
      expect(await run(asCaller, before(name), 'tell(code);')).toBe('INVALID_ARGUMENT');
      await rm(at('latest.txt'));
    }
    expect(existsSync(join(folder, 'c.txt'))).toBe(false);
  });

  test('notices a swapped folder before a file gets its name [FO-6]', async () => {
    const block = blockOf('inside');
    await run(block, `${BEFORE} const chunks = ['re', 'port'];`, 'tell(1);');
    expect(await readFile(at('report.txt'), 'utf8')).toBe('report');
    const swapping = `${BEFORE} import { rename, mkdir } from 'node:fs/promises';
      async function* source() {
        yield 'no';
        await rename('data', 'old');
        await mkdir('data');
      }
      const chunks = source();`;
    const asCaller = `const code = await (async () => {\n${block}\n})().catch(({ code }) => code);`;
    expect(await run(asCaller, swapping, 'tell(code);')).toBe('VERSION_CONFLICT');
    expect(existsSync(at('report.txt'))).toBe(false);
  });

  test('makes names that work everywhere, and says what each line says [FO-9]', async () => {
    await writeFile(at('a.txt'), '');
    const lines = blockOf('names').trim().split('\n');
    expect(lines).toHaveLength(4);
    const outcomes = lines.map((line, n) => {
      const work = line.replace(/^const \w+ = /, `results[${n}] = `);
      return `try { ${work.replace(/ \/\/.*/, '')} } catch ({ code }) { results[${n}] = code; }`;
    });
    const told = await run(`const results = [];\n${outcomes.join('\n')}`, BEFORE, 'tell(results);');
    const comments = lines.map((line) => line.split(' // ')[1] ?? '');
    // This disk may fold case or not.
    const place = existsSync(at('A.TXT')) ? 'ALREADY_EXISTS' : 'data/A.txt';
    expect(told).toEqual([comments[0], 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', place]);
    expect(comments.slice(1).every((comment) => comment.startsWith('throws'))).toBe(true);
  });

  test('tells what changes, until the signal [FO-7]', async () => {
    const before = `${BEFORE}
      import { writeFile, unlink } from 'node:fs/promises';
      const stop = new AbortController();
      const { signal } = stop;
      const { log } = console;
      const seen = [];
      // The watch is ready a moment after the loop begins.
      let n = 0;
      const writing = setInterval(() => writeFile('data/a.txt', String(n++)), 20);
      console.log = (...line) => {
        seen.push(line.join(' '));
        clearInterval(writing);
        stop.abort();
      };`;
    const [change] = (await run(
      blockOf('watching'),
      before,
      'log(JSON.stringify(seen));',
    )) as string[];
    expect(change).toMatch(/^(added|changed) a\.txt$/);
  });

  test('keeps no process alive by a watch, unless it is asked to [FO-7]', async () => {
    const watching = (options: string, then: string) => `${BEFORE}
      import { spawn } from 'node:child_process';
      const stop = new AbortController();
      const watch = async (options) => {
        for await (const { type, path } of files.watch.changes('data', options)) {
          tell([type, path]);
          stop.abort();
        }
      };
      await watch({ ${options}, signal: stop.signal, onReady: () => ${then} });`;
    // What waits for a promise alone ends: Node calls that 13.
    const ending = `process.on('exit', () => (process.exitCode = 0));`;
    expect(await run(watching('digest: true', "tell('ready')"), ending, '')).toBe('ready');
    const write = `spawn(process.execPath, ['-e', "fs.writeFileSync('data/b.txt', '')"]).unref()`;
    expect(await run(watching('keepAlive: true', write), '', '')).toEqual(['added', 'b.txt']);
  });

  test('names only codes, links and parts that exist, and has no block that is not run', () => {
    const codes = [...page.text.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, code = '']) => code);
    const known = new Set(Object.keys(ERROR_CODES));
    expect(codes.length).toBeGreaterThan(10);
    expect(codes.filter((code) => !known.has(code))).toEqual([]);
    const links = [...page.text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
      ([, link = '']) => link,
    );
    const pages = dirname(join(ROOT, 'docs/files.md'));
    expect(links.filter((link) => !existsSync(join(pages, link)))).toEqual([]);
    const words = Object.values(BLOCKS);
    const others = page.blocks('ts').filter((block) => !words.some((word) => block.includes(word)));
    expect(others).toEqual([]);
    const headings = [...page.text.matchAll(/^## (.*)$/gm)].map(([, text = '']) => text);
    const parts = new Set(headings.map((text) => text.toLowerCase()));
    const anchors = [...page.text.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = '']) => anchor);
    expect(anchors.filter((anchor) => !parts.has(anchor))).toEqual([]);
  });
});
