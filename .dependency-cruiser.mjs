// Who may import whom (docs/architecture.md). It reads what tsc emits into .cache/js (see
// scripts/check.ts), so imports of types, which are allowed to go anywhere, are gone by then.
import { existsSync, readdirSync } from 'node:fs';

// From the ground up. A file imports from its own floor or from lower ones.
const floors = [
  /* 0 */ ['model/', 'errors.js', 'limits.js', 'store/contract.js'],
  /* 1 */ ['ports/'],
  /* 2 */ [
    'store/options.js',
    'store/folderUrl.js',
    'store/commands/',
    'store/FileSystemStore/(FileOperationService|journal|runFiles)(.js$|/)',
    'store/FileSystemStore/(lock|owner|damaged|eventTail|frame|fileName|layout|blobs|storageError).js$',
    'db.js',
    'db/',
    'migrations.js',
    'migrations/',
  ],
  /* 3 */ [
    'store/FileSystemStore/',
    'store/DatabaseStore/',
    'store/index/',
    'store/blobs.js',
    'store/blobs/',
  ],
  /* 4 */ ['store/FileSystemStore.js', 'store/DatabaseStore.js'],
  /* 5 */ ['store.js', 'cache.js', 'cache/'],
  /* 6 */ ['(backup|autobackup|runRecovery|registry)(.js$|/)'],
].map((paths) => paths.map((path) => `^src/lib/${path.replace('.js', '\\.js')}`).join('|'));

const upwards = floors.slice(0, -1).map((floor, n) => ({
  name: `floor-${n}-imports-up`,
  severity: 'error',
  from: { path: floor, pathNot: floors.slice(0, n).join('|') || '^$' },
  // Where patterns overlap, a file stands on the lowest floor that names it.
  to: { path: floors.slice(n + 1).join('|'), pathNot: floors.slice(0, n + 1).join('|') },
}));

// X.ts is the door of the room X/: nothing else from outside opens it. The contract is for all, and so
// are the services: they stand on `RunWriter`, whoever writes.
const rooms = readdirSync('src', { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => `${entry.parentPath}/${entry.name}`)
  .filter((folder) => existsSync(`${folder}.js`))
  .map((folder) => ({
    name: 'only-the-door-opens-the-room',
    severity: 'error',
    from: { pathNot: `^${folder}(/|\\.js$)` },
    to: {
      path: `^${folder}/`,
      // Services, and bytes by their digest in a folder, are for every backend.
      pathNot:
        '^src/lib/store/(contract|FileSystemStore/(\\w+ManagementService|FileOperationService|blobs|layout))\\.js$',
    },
  }));

const services = '^src/lib/store/(?:FileSystem|Database)Store/(?:';
const [files, rows] = ['(\\w+)ManagementService', '(runs|steps|events|artifacts)'];

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...upwards,
    ...rooms,
    {
      name: 'a-file-without-a-floor',
      comment: 'Give a new part of src/lib its floor in the table above.',
      severity: 'error',
      from: { path: '^src/lib/', pathNot: floors.join('|') },
      to: {},
    },
    ...[files, rows].map((kind) => ({
      name: 'sibling-services',
      comment: 'What touches two kinds of rows is one commit with several changes.',
      severity: 'error',
      from: { path: `${services}${kind})\\.js$` },
      to: { path: `${services}${kind.replace('(', '(?:')})\\.js$`, pathNot: '/$1[^/]*\\.js$' },
    })),
    {
      name: 'on-the-contract-alone',
      severity: 'error',
      from: { path: floors[6] },
      to: { path: '^src/lib/(?!store/contract\\.js)(store/|db|migrations|cache)' },
    },
    {
      name: 'on-the-public-surface-alone',
      severity: 'error',
      from: { path: '^(src/(cli|testkit)(\\.js$|/)|scripts/)' },
      to: { path: '^src/', pathNot: ['^src/index\\.js$', '^src/(cli|testkit)(\\.js$|/)'] },
    },
    {
      name: 'cli-and-testkit-know-nothing-of-each-other',
      severity: 'error',
      from: { path: '^src/(cli|testkit)(\\.js$|/)' },
      to: { path: '^src/(cli|testkit)(\\.js$|/)', pathNot: '^src/$1' },
    },
    {
      name: 'the-library-knows-no-edge',
      severity: 'error',
      from: { path: '^src/lib/' },
      to: { path: '^src/(?!lib/)' },
    },
    {
      name: 'file-system-only-in-its-port',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(lib/ports/fileSystem\\.js$|testkit(\\.js$|/))' },
      to: { path: '^(node:)?fs(/promises)?$' },
    },
    {
      name: 'databases-only-behind-db',
      comment: 'The index speaks SQL to the built-in SQLite; the lock is one of its transactions.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot:
          '^src/lib/(db/|store/index/|store/FileSystemStore/lock\\.js$)|^src/testkit(\\.js$|/)',
      },
      to: { path: '^(node:)?sqlite$|node_modules/(pg|pg-[^/]+|postgres|better-sqlite3)/' },
    },
    {
      name: 'no-development-dependency-at-run-time',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/testkit(\\.js$|/)' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        // An optional peer is also there for development.
        dependencyTypesNot: ['npm-peer'],
      },
    },
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    { name: 'unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^tests/|^bench/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node'] },
  },
};
