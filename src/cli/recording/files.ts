import type { FileHandle, FileSystem } from '../../index.ts';

const CHUNK_BYTES = 64 * 1024;

/** The bytes of a file in chunks, each a copy of its own. The handle is closed at the end. */
export async function* fileChunks(handle: FileHandle): AsyncGenerator<Uint8Array> {
  try {
    for (let position = 0; ;) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** A small file as text. Read to its end: the files of /proc say that they are empty. */
export async function readText(fileSystem: FileSystem, path: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of fileChunks(await fileSystem.open(path, 'r'))) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
