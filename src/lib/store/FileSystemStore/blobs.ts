import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { isStoreError, StoreError } from '../../errors.ts';
import type { StoredBlob } from '../../model/artifact.ts';
import { type Blobs, type ByteRange, chunksOf } from '../commands/blobs.ts';
import type { ArtifactBody } from '../contract.ts';
import {
  type FileOperationService,
  type StagedFile,
  storageError,
} from './FileOperationService.ts';
import type { Layout } from './layout.ts';

const READ_ONLY = 0o400;

/** Bytes by their SHA-256, one file each, stored once however many artifacts name them. */
export class BlobFolder implements Blobs {
  readonly #files: FileOperationService;
  readonly #layout: Layout;

  constructor(files: FileOperationService, layout: Layout) {
    this.#files = files;
    this.#layout = layout;
  }

  /** Streams the bytes to disk in bounded memory. Durable, file and folder, when it resolves (W6). */
  async put(body: ArtifactBody): Promise<StoredBlob> {
    const files = this.#files;
    await files.ensureFolder(this.#layout.blobs);
    const staged = await files.stageStream(join(this.#layout.blobs, 'incoming'), chunksOf(body));
    try {
      return await this.#name(staged);
    } catch (error) {
      // No frame names the blob yet: whatever became of its file, the artifact is not there.
      if (!isStoreError(error, 'OUTCOME_UNKNOWN')) throw error;
      throw storageError(error.cause, `storing ${staged.digest}`);
    }
  }

  async #name(staged: StagedFile): Promise<StoredBlob> {
    const files = this.#files;
    try {
      const blob = { digest: String(staged.digest), size: staged.bytesWritten };
      const path = this.#layout.blob(blob.digest);
      await files.ensureFolder(dirname(path));
      await this.#makeReadOnly(staged.temporary);
      // Also over the same bytes: those may be damaged, or the sync of their name may have failed,
      // and a second sync of a name that is not given anew says nothing (W3).
      await staged.commit(path);
      return blob;
    } finally {
      await staged.discard();
    }
  }

  async #makeReadOnly(path: string): Promise<void> {
    try {
      await this.#files.fileSystem.chmod(path, READ_ONLY);
    } catch (error) {
      throw storageError(error, `protecting ${path}`);
    }
  }

  /** The bytes, checked while they pass: `DATA_CORRUPT` at the end when they are not the digest's. */
  async *open(blob: StoredBlob, range?: ByteRange): AsyncGenerator<Uint8Array> {
    yield* range === undefined ? this.#whole(blob) : this.#part(blob, range);
  }

  async *#whole({ digest, size }: StoredBlob): AsyncGenerator<Uint8Array> {
    const path = this.#layout.blob(digest);
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of this.#chunks(path)) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
    const actual = `sha256:${hash.digest('hex')}`;
    if (bytes !== size || actual !== digest) throw damaged(path, `has the digest ${actual}`);
  }

  async *#part({ digest }: StoredBlob, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
    const path = this.#layout.blob(digest);
    let missing = end - start;
    for await (const chunk of this.#chunks(path, { start, end })) {
      missing -= chunk.length;
      yield chunk;
    }
    if (missing > 0) throw damaged(path, `ends ${missing} bytes too early`);
  }

  async *#chunks(path: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#files.readStream(path, range);
    } catch (error) {
      if (isStoreError(error, 'NOT_FOUND')) throw damaged(path, 'is missing', error);
      throw error;
    }
  }
}

function damaged(path: string, what: string, cause?: unknown): StoreError {
  return new StoreError('DATA_CORRUPT', `${path} ${what}`, { id: path, cause });
}
