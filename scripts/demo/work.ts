// The commands of the demonstration's plan. They know nothing of Holdfast: they read and write files
// and print what they do.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';
import { ROOT } from './plan.ts';

interface Found {
  readonly path: string;
  readonly bytes: number;
}

const OUT = join(ROOT, '.cache', 'demo');
const LEFT_OUT: ReadonlySet<string> = new Set([
  '.git',
  '.cache',
  '.holdfast',
  'node_modules',
  'dist',
  'coverage',
]);

async function scan(): Promise<void> {
  const found: Found[] = [];
  for (const entry of await readdir(ROOT, { recursive: true, withFileTypes: true })) {
    const path = relative(ROOT, join(entry.parentPath, entry.name));
    if (!entry.isFile() || path.split(/[/\\]/).some((part) => LEFT_OUT.has(part))) continue;
    const { length } = await readFile(join(ROOT, path));
    found.push({ path, bytes: length });
    console.log(`${String(length).padStart(8)} ${path}`);
  }
  await writeFile(join(OUT, 'files.json'), JSON.stringify(found));
}

async function hash(): Promise<void> {
  let sums = '';
  for (const { path } of await files()) {
    const digest = createHash('sha256')
      .update(await readFile(join(ROOT, path)))
      .digest('hex');
    sums += `${digest}  ${path}\n`;
    console.log(`${digest}  ${path}`);
  }
  await writeFile(join(OUT, 'SHA256SUMS'), sums);
}

/** Brotli at its best: slow enough to be killed in the middle. */
async function pack(): Promise<void> {
  const compress = promisify(brotliCompress);
  const out = createWriteStream(join(OUT, 'pack.br'));
  const all = await files();
  const total = all.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const { path, bytes } of all) {
    const packed = await compress(await readFile(join(ROOT, path)), {
      params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
    });
    out.write(packed);
    done += bytes;
    console.log(`${Math.floor((done / total) * 100)}% ${path} ${bytes} → ${packed.length}`);
  }
  out.end();
  await finished(out);
}

async function report(): Promise<void> {
  const all = await files();
  const bytes = all.reduce((sum, file) => sum + file.bytes, 0);
  const packed = (await readFile(join(OUT, 'pack.br'))).length;
  const lines = [`files: ${all.length}`, `bytes: ${bytes}`, `packed: ${packed}`];
  await writeFile(join(OUT, 'report.md'), `# Report\n\n${lines.join('\n')}\n`);
  console.log(lines.join(', '));
}

async function files(): Promise<readonly Found[]> {
  return JSON.parse(await readFile(join(OUT, 'files.json'), 'utf8')) as readonly Found[];
}

const steps = new Map([
  ['scan', scan],
  ['hash', hash],
  ['pack', pack],
  ['report', report],
]);

await mkdir(OUT, { recursive: true });
await steps.get(process.argv[2] ?? '')?.();
