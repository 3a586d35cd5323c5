import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { isStoreError, StoreError } from '../../../errors.ts';
import type { FileOperationService, StoredBytes } from '../FileOperationService.ts';
import { storageError, systemCode } from '../storageError.ts';
import type { Disk } from './disk.ts';
import { guard, guardRead } from './guard.ts';
import { commitAll, stageBytes } from './several.ts';
import { digestIn, sidecarOf, sidecarText, subjectOf } from './sidecar.ts';
import type { StagedFile } from './stagedFile.ts';
import type { ByteSource, ReadStreamOptions, WriteStreamOptions } from './streams.ts';
import { temporaryKind } from './temporaries.ts';
import { changeOf, type Turns } from './turns.ts';

/**
 * `ok` · `differs`: other bytes than the sidecar says · `missing`: a sidecar, and no file · `no
 * sidecar`: a file, and nothing to hold it against · `bad sidecar`: it does not name this file ·
 * `unreadable`: the disk refused, see `error`.
 */
type SidecarStatus = 'ok' | 'differs' | 'missing' | 'no sidecar' | 'bad sidecar' | 'unreadable';

export interface SidecarReport {
  /** The file, not its sidecar. */
  readonly path: string;
  readonly status: SidecarStatus;
  /** `sha256:…` as the sidecar has it. */
  readonly expected?: string;
  /** `sha256:…` of the file as it is. */
  readonly actual?: string;
  readonly error?: StoreError;
}

/**
 * SHA-256 beside the file, as `<name>.sha256` in the format of `sha256sum`, so that `sha256sum -c
 * *.sha256` verifies it where there is no Holdfast. File and sidecar are written as one: both or
 * neither, also across a crash once `recover` was called on their folder (see `writeAtomicAll`).
 * Whoever changes the file by other means calls `record` afterwards.
 */
export class FileChecksums {
  readonly #disk: Disk;
  readonly #turns: Turns;
  readonly #files: FileOperationService;

  constructor(disk: Disk, turns: Turns, files: FileOperationService) {
    this.#disk = disk;
    this.#turns = turns;
    this.#files = files;
  }

  /** A file and its sidecar. */
  write(path: string, data: Uint8Array | string): Promise<StoredBytes> {
    return this.#writeBoth(path, (target) => stageBytes(this.#disk, target, data));
  }

  /** As `write`, from a stream, whose digest is computed as it passes. */
  writeStream(
    path: string,
    source: ByteSource,
    options?: WriteStreamOptions,
  ): Promise<StoredBytes> {
    return this.#writeBoth(path, (target) => this.#files.stageStream(target, source, options));
  }

  /** Makes the sidecar of a file as it is now; returns `sha256:…`. */
  record(path: string): Promise<string> {
    return this.#turns.take(changeOf(path), async () => {
      const digest = await this.#files.checksum(path);
      await this.#files.writeAtomic(sidecarOf(path), sidecarText(path, digest));
      return digest;
    });
  }

  /** Holds one file against its sidecar. Never rejects for what it finds. */
  async verify(path: string): Promise<SidecarReport> {
    try {
      return await this.#turns.take(changeOf(path), () => this.#compare(path));
    } catch (error) {
      if (isStoreError(error)) return { path, status: 'unreadable', error };
      throw error;
    }
  }

  /**
   * Reports on each file of a folder and each sidecar without a file, sorted by name, one at a time.
   * `recursive` looks into the folders below, too, each in its place; links are not followed, and what
   * is neither file nor folder is left out, as are the temporary files of this service. `NOT_FOUND`
   * where there is no such folder.
   */
  async *verifyFolder(
    folder: string,
    options: { readonly recursive?: boolean | undefined } = {},
  ): AsyncGenerator<SidecarReport, void, undefined> {
    await guardRead(folder, () => this.#disk.fs.stat(folder));
    const names = await this.#files.list(folder);
    const kinds = new Map<string, 'file' | 'folder'>();
    for (const name of names) {
      if (temporaryKind(name) !== undefined) continue;
      const kind = await this.#kindOf(join(folder, name));
      if (kind !== undefined) kinds.set(name, kind);
    }
    for (const [name, kind] of kinds) {
      const path = join(folder, name);
      const subject = subjectOf(name);
      if (kind === 'folder') {
        if (options.recursive === true) yield* this.verifyFolder(path, options);
      } else if (subject === undefined) {
        yield await this.verify(path);
      } else if (!kinds.has(subject)) {
        yield await this.verify(join(folder, subject));
      }
    }
  }

  /**
   * The bytes of a file, which end with `DATA_CORRUPT` when they are not those of its sidecar: only
   * then is it known. `NOT_FOUND` without a file or a sidecar.
   */
  async *readStream(
    path: string,
    options: Omit<ReadStreamOptions, 'start' | 'end'> = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const text = Buffer.from(await this.#files.read(sidecarOf(path))).toString();
    const expected = digestIn(text, path);
    if (expected === undefined) {
      throw new StoreError('DATA_CORRUPT', `${sidecarOf(path)} does not name the file beside it`);
    }
    const hash = createHash('sha256');
    for await (const chunk of this.#files.readStream(path, options)) {
      hash.update(chunk);
      yield chunk;
    }
    const actual = `sha256:${hash.digest('hex')}`;
    if (actual === expected) return;
    throw new StoreError('DATA_CORRUPT', `${path} has ${actual}, not ${expected}`);
  }

  async #writeBoth(
    path: string,
    stage: (target: string) => Promise<StagedFile>,
  ): Promise<StoredBytes> {
    const target = resolve(path);
    const sidecar = sidecarOf(target);
    const staged = await stage(target);
    const digest = String(staged.digest);
    const text = sidecarText(target, digest);
    const parts = [
      { path: target, stage: () => Promise.resolve(staged) },
      { path: sidecar, stage: () => stageBytes(this.#disk, sidecar, text) },
    ];
    await this.#turns.takeAll([changeOf(target), changeOf(sidecar)], () =>
      guard(`writing ${path} and its checksum`, () => commitAll(this.#disk, parts)),
    );
    return { size: staged.bytesWritten, digest };
  }

  async #compare(path: string): Promise<SidecarReport> {
    const sidecar = await this.#files.readIfPresent(sidecarOf(path));
    if (sidecar === undefined) {
      const isThere = (await this.#kindOf(path)) !== undefined;
      return { path, status: isThere ? 'no sidecar' : 'missing' };
    }
    const expected = digestIn(Buffer.from(sidecar).toString(), path);
    if (expected === undefined) return { path, status: 'bad sidecar' };
    try {
      const actual = await this.#files.checksum(path);
      return { path, status: actual === expected ? 'ok' : 'differs', expected, actual };
    } catch (error) {
      if (isStoreError(error, 'NOT_FOUND')) return { path, status: 'missing', expected };
      throw error;
    }
  }

  /** `undefined` for a link, for what is neither file nor folder, and for what has gone meanwhile. */
  async #kindOf(path: string): Promise<'file' | 'folder' | undefined> {
    try {
      const stat = await this.#disk.fs.lstat(path);
      if (stat.isFile()) return 'file';
      return stat.isDirectory() ? 'folder' : undefined;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw storageError(error, `looking at ${path}`);
    }
  }
}
