export { FileOperationService } from './lib/store/FileSystemStore/FileOperationService.ts';
export type {
  FileOperationOptions,
  LockOptions,
  StagedFile,
  StoredBytes,
} from './lib/store/FileSystemStore/FileOperationService.ts';
export { type ErrorCode, isStoreError, StoreError } from './lib/errors.ts';
export { type Clock, systemClock } from './lib/ports/clock.ts';
export {
  type FileHandle,
  type FileStat,
  type FileSystem,
  realFileSystem,
} from './lib/ports/fileSystem.ts';
export { createMemoryFileSystem } from './lib/ports/memoryFileSystem.ts';
export type * from './lib/store/FileSystemStore/FileOperationService/tree.ts';
export type * from './lib/store/FileSystemStore/FileOperationService/links.ts';
export type * from './lib/store/FileSystemStore/FileOperationService/names.ts';
export type * from './lib/store/FileSystemStore/FileOperationService/watch.ts';
