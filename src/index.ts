export { connectDatabase } from './lib/db.ts';
export type * from './lib/db.ts';
export {
  type ErrorCode,
  ERROR_CODES,
  isStoreError,
  StoreError,
  type ValidationIssue,
} from './lib/errors.ts';
export { FILE_STORE_DEFAULTS, LIMITS } from './lib/limits.ts';
export { describeDifference, Migrator, OWN_MIGRATIONS, ownMigrator } from './lib/migrations.ts';
export type * from './lib/migrations.ts';
export type * from './lib/model/commands.ts';
export type {
  Artifact,
  ArtifactVersion,
  Attempt,
  DependencyPolicy,
  ErrorInfo,
  Run,
  RunEvent,
  RunStatus,
  Step,
  StepStatus,
} from './lib/model/entities.ts';
export { RUN_STATUSES, STEP_STATUSES } from './lib/model/entities.ts';
export type { JsonObject, JsonValue, Payload } from './lib/model/payload.ts';
export type { CreatedStep, PublicChange } from './lib/model/publicChange.ts';
export { type Clock, systemClock } from './lib/ports/clock.ts';
export {
  type FileHandle,
  type FileStat,
  type FileSystem,
  realFileSystem,
} from './lib/ports/fileSystem.ts';
export { createMemoryFileSystem } from './lib/ports/memoryFileSystem.ts';
export type { Random } from './lib/ports/random.ts';
export { Registry, REGISTRY_LIMITS, REGISTRY_WORKFLOW } from './lib/registry.ts';
export type * from './lib/registry.ts';
export { openStore, repairStore } from './lib/store.ts';
export type * from './lib/store/contract.ts';
export type { FileStoreTuning, MigrateMode, OpenOptions } from './lib/store/options.ts';
