import { existsSync } from 'node:fs';

// The floors of docs/specification.md, in percent; they hold from the day on which a file exists.
const floors = {
  './src/lib/store.ts': 90,
  // A folder: its files as a whole, less those that are named here.
  './src/lib/store/': 90,
  './src/lib/store/FileSystemStore/FileOperationService.ts': 95,
  './src/lib/store/FileSystemStore/RunManagementService.ts': 95,
  './src/lib/store/FileSystemStore/StepManagementService.ts': 90,
  './src/lib/store/FileSystemStore/EventManagementService.ts': 90,
  './src/lib/store/FileSystemStore/ArtifactManagementService.ts': 90,
  './src/lib/db.ts': 85,
  './src/lib/migrations.ts': 90,
  './src/lib/registry.ts': 90,
  './src/lib/registry/': 90,
  './src/lib/cache.ts': 85,
  './src/lib/backup.ts': 90,
  './src/lib/autobackup.ts': 85,
  './src/lib/runRecovery.ts': 90,
};

const exists = (key) => existsSync(new URL(key, import.meta.url));

const coverageThreshold = Object.fromEntries(
  Object.entries(floors)
    .filter(([key]) => exists(key))
    .map(([key, n]) => [key, { lines: n, branches: n, functions: n, statements: n }]),
);

/** @type {import('jest').Config} */
export default {
  // For machines that are slow, or do something else meanwhile; nothing here waits on purpose.
  testTimeout: 30_000,
  testEnvironment: 'node',
  testMatch: ['<rootDir>/tests/**/*.test.ts'],
  maxWorkers: 2,
  // Native ES modules: tests run the sources as Node does. swc only strips types and lowers `using`.
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { swcrc: false, jsc: { target: 'es2023', parser: { syntax: 'typescript' } } },
    ],
  },
  // Measured with `jest --coverage`. Babel counts each branch of ?:, ??, && and defaults; v8 does not.
  coverageProvider: 'babel',
  collectCoverageFrom: ['src/lib/**/*.ts'],
  coverageDirectory: 'coverage',
  coverageReporters: [['text', { skipFull: true }], 'html'],
  coverageThreshold,
};
