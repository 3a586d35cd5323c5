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
if (process.argv.includes('--tests')) provideJq();
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

// A test decodes a store with the real jq, which npm does not have.
function provideJq() {
  const has = (command) => spawnSync(command, ['--version'], { shell }).status === 0;
  if (has('jq')) return;
  if (process.getuid?.() === 0 && has('apt-get')) {
    process.stderr.write('setup: installing jq for the tests\n');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const options = { env, stdio: ['ignore', 'ignore', 2] };
    spawnSync('apt-get', ['update', '-qq'], options);
    spawnSync('apt-get', ['install', '-y', '-qq', 'jq'], options);
  }
  if (!has('jq'))
    fail('the tests need jq: install it (Debian: `apt-get install jq`), then try again.');
}

function fail(message) {
  process.stderr.write(`setup: ${message}\n`);
  process.exit(1);
}
