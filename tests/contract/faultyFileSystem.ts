import * as fs from 'node:fs/promises';
import type { FileHandle, FileSystem } from '../../src/index.ts';

/** The real disk, whose writes and syncs fail with EIO while `broken` is set. */
export class FaultyFileSystem implements FileSystem {
  broken = false;
  readonly mkdir: FileSystem['mkdir'] = fs.mkdir;
  readonly readdir: FileSystem['readdir'] = fs.readdir;
  readonly rename: FileSystem['rename'] = fs.rename;
  readonly link: FileSystem['link'] = fs.link;
  readonly unlink: FileSystem['unlink'] = fs.unlink;
  readonly rmdir: FileSystem['rmdir'] = fs.rmdir;
  readonly stat: FileSystem['stat'] = fs.stat;
  readonly lstat: FileSystem['lstat'] = fs.lstat;
  readonly chmod: FileSystem['chmod'] = fs.chmod;
  readonly symlink: FileSystem['symlink'] = fs.symlink;
  readonly readlink: FileSystem['readlink'] = fs.readlink;
  readonly realpath: FileSystem['realpath'] = fs.realpath;

  async open(path: string, flags?: string | number, mode?: number): Promise<FileHandle> {
    const handle = await fs.open(path, flags, mode);
    const whole = <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) => {
      return async (...args: Args): Promise<T> => {
        if (this.broken) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
        return call(...args);
      };
    };
    return {
      write: whole((data: Uint8Array, offset: number, length: number, position: number) =>
        handle.write(data, offset, length, position),
      ),
      sync: whole(() => handle.sync()),
      datasync: whole(() => handle.datasync()),
      truncate: whole((length: number) => handle.truncate(length)),
      read: (into, offset, length, position) => handle.read(into, offset, length, position),
      stat: () => handle.stat(),
      close: () => handle.close(),
    };
  }
}
