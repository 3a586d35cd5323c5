import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { isStoreError, StoreError } from '../../errors.ts';
import type { StoredBlob } from '../../model/artifact.ts';
import { type FileOperationService, storageError } from './FileOperationService.ts';
import type { Layout } from './layout.ts';

const READ_ONLY = 0o400;

/** Bytes by their SHA-256, one file each, stored once however many artifacts name them. */
export class BlobFolder {
  readonly #files: FileOperationService;
  readonly #layout: Layout;

  constructor(files: FileOperationService, layout: Layout) {
    this.#files = files;
    this.#layout = layout;
  }

  /** Streams the bytes to disk in bounded memory. Durable, file and folder, when it resolves (W6). */
  async put(source: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    const files = this.#files;
    await files.ensureFolder(this.#layout.blobs);
    const staged = await files.stageStream(join(this.#layout.blobs, 'incoming'), source);
    try {
      const blob = { digest: String(staged.digest), size: staged.bytesWritten };
      const path = this.#layout.blob(blob.digest);
      await files.ensureFolder(dirname(path));
      if (await this.#isStored(path, blob.size)) await staged.discard();
      else {
        await this.#makeReadOnly(staged.temporary);
        await staged.commit(path);
      }
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
  async *open({ digest, size }: StoredBlob): AsyncGenerator<Uint8Array> {
    const path = this.#layout.blob(digest);
    const hash = createHash('sha256');
    let bytes = 0;
    try {
      for await (const chunk of this.#files.readStream(path)) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      if (isStoreError(error, 'NOT_FOUND')) throw damaged(path, 'is missing', error);
      throw error;
    }
    const actual = `sha256:${hash.digest('hex')}`;
    if (bytes !== size || actual !== digest) throw damaged(path, `has the digest ${actual}`);
  }

  /** A blob of another size is damaged: the same bytes, just received whole, replace it. */
  async #isStored(path: string, size: number): Promise<boolean> {
    try {
      if ((await this.#files.size(path)) !== size) return false;
      // Whoever stored it may not have reached the sync of the folder.
      await this.#files.syncFolder(dirname(path));
      return true;
    } catch (error) {
      if (isStoreError(error, 'NOT_FOUND')) return false;
      throw error;
    }
  }
}

function damaged(path: string, what: string, cause?: unknown): StoreError {
  return new StoreError('DATA_CORRUPT', `${path} ${what}`, { id: path, cause });
}
