import type { StoredBlob } from '../../model/artifact.ts';
import { invalid } from '../../model/check.ts';
import { realFileSystem } from '../../ports/fileSystem.ts';
import type { Blobs, ByteRange } from '../commands/blobs.ts';
import type { ArtifactBody } from '../contract.ts';
import { BlobFolder } from '../FileSystemStore/blobs.ts';
import { FileOperationService } from '../FileSystemStore/FileOperationService.ts';
import { Layout } from '../FileSystemStore/layout.ts';
import { folderOf } from '../folderUrl.ts';
import type { OpenOptions } from '../options.ts';
import type { BlobTable } from './blobs.ts';

type World = Pick<OpenOptions, 'blobs' | 'fileSystem' | 'clock' | 'random'>;

/** Where the bytes of artifacts go: the table, or the folder that the options name. */
export function blobsFor(table: BlobTable, world: World): Blobs {
  if (world.blobs === undefined) return table;
  const root = folderOf(world.blobs);
  if (root === undefined) throw invalid('options.blobs', 'must be the file: URL of a folder');
  const { fileSystem = realFileSystem, clock, random } = world;
  const files = new FileOperationService(fileSystem, { clock, random });
  return new FolderBesideTable(new BlobFolder(files, new Layout(root)), table);
}

/** New bytes go to the folder; those of before it was named are in the table. */
class FolderBesideTable implements Blobs {
  readonly #folder: BlobFolder;
  readonly #table: BlobTable;

  constructor(folder: BlobFolder, table: BlobTable) {
    this.#folder = folder;
    this.#table = table;
  }

  put(body: ArtifactBody): Promise<StoredBlob> {
    return this.#folder.put(body);
  }

  async *open(blob: StoredBlob, range?: ByteRange): AsyncGenerator<Uint8Array> {
    const place = (await this.#table.has(blob.digest)) ? this.#table : this.#folder;
    yield* place.open(blob, range);
  }
}
