// Makes a fresh clone ready: dependencies as the lock file names them, and Node 24 for every script.
// Runs under whatever Node the machine has, so it is plain JavaScript without dependencies.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stamp = join(modules, '.holdfast-setup');
const shell = process.platform === 'win32'; // where npm is a .cmd, which only a shell can start

const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .update(`${process.platform}-${process.arch}`)
  .digest('hex');
const installed = existsSync(stamp) ? readFileSync(stamp, 'utf8') : undefined;

if (installed !== wanted) install();
checkNode();
if (process.argv.includes('--tests')) provideTools();
if (installed !== wanted) writeFileSync(stamp, wanted);

function install() {
  const terminal = process.stderr.isTTY;
  if (terminal) process.stderr.write('Installing dependencies: once, about a minute.\n');
  // Warnings about the engine are of no interest here: only npm itself runs under the older Node.
  const args = ['ci', '--loglevel=error', terminal ? '--progress' : '--no-progress'];
  const { status } = spawnSync('npm', args, {
    cwd: root,
    shell,
    stdio: ['ignore', terminal ? 2 : 'ignore', 2],
  });
  if (status !== 0) fail('`npm ci` failed, for the reason above. Put it right, then try again.');
}

// Asks for `node` as npm's scripts do, with node_modules/.bin in front.
function checkNode() {
  const path = join(modules, '.bin') + delimiter + process.env.PATH;
  const env = { ...process.env, PATH: path };
  const { stdout } = spawnSync('node', ['--version'], { shell, env, encoding: 'utf8' });
  const version = (stdout ?? '').trim();
  if (Number(/^v(\d+)\./.exec(version)?.[1] ?? 0) >= 24) return;
  fail(
    `Node 24 is needed and ${version || 'none'} was found: the install script of the package ` +
      '`node` did not run. Try `npm rebuild node --ignore-scripts=false`, or install Node 24.',
  );
}

// What tests need and npm does not have: jq decodes a store as docs/format.md says; strace (a package
// of that name) makes system calls fail. mount, prlimit and findmnt (util-linux), mkfs.ext4 (e2fsprogs)
// and perl (perl-base), for file systems that fill up and disks that lose their power, come with every
// Debian. Tests that miss one of these print `skipped: …`; without jq there is no proof of the format.
function provideTools() {
  const has = (command) => spawnSync(command, ['--version'], { shell }).status === 0;
  const missing = ['jq', 'strace'].filter((command) => !has(command));
  if (missing.length > 0 && process.getuid?.() === 0 && has('apt-get')) {
    process.stderr.write(`setup: installing ${missing.join(' and ')} for the tests\n`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const options = { env, stdio: ['ignore', 'ignore', 2] };
    spawnSync('apt-get', ['update', '-qq'], options);
    // One by one: a package that is not to be had must not keep back the other.
    for (const name of missing) spawnSync('apt-get', ['install', '-y', '-qq', name], options);
  }
  if (!has('jq'))
    fail('the tests need jq: install it (Debian: `apt-get install jq`), then try again.');
}

function fail(message) {
  process.stderr.write(`setup: ${message}\n`);
  process.exit(1);
}
