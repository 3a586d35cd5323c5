import type { FileHandle, FileStat } from '../../index.ts';
import { failure } from './failure.ts';
import type { DiskCall, DiskFault, Process } from './process.ts';

export interface Opened {
  readonly handle: FileHandle;
  readonly inode: number;
  /** On `O_DSYNC`: a write is durable when it ends. */
  readonly isDurable: boolean;
}

/** An open file or folder of one process. */
export class OpenFile implements FileHandle {
  readonly #process: Process;
  readonly #call: DiskCall;
  readonly #opened: Opened;

  constructor(process: Process, call: DiskCall, opened: Opened) {
    this.#process = process;
    this.#call = call;
    this.#opened = opened;
  }

  async write(data: Uint8Array, offset: number, length: number, position: number) {
    const call = { ...this.#call, op: 'write', bytes: length };
    const bytes = Buffer.from(data.subarray(offset, offset + length));
    const { inode, isDurable } = this.#opened;
    const { record } = this.#process.context;
    const { n, bytesWritten } = await this.#process.call(call, (fault) =>
      this.#write(call, bytes, position, fault),
    );
    if (isDurable) record({ kind: 'written', inode, of: n });
    return { bytesWritten };
  }

  async #write(call: DiskCall, bytes: Buffer, at: number, fault: DiskFault) {
    const { inode, handle } = this.#opened;
    const { record, room } = this.#process.context;
    const event = { kind: 'write', inode, at, bytes } as const;
    if (fault === 'EIO') {
      // The cache has it, and shows it, whatever the disk has.
      await handle.write(bytes, 0, bytes.length, at);
      record({ kind: 'failed', inode, begun: record(event) + 1 });
    }
    if (fault !== undefined && fault !== 'short') throw failure(fault, call);
    const { size } = await handle.stat();
    const grown = Math.max(0, at + bytes.length - Math.max(at, size));
    const missing = grown - room(grown);
    const bytesWritten = fault === 'short' ? bytes.length >> 1 : bytes.length - missing;
    if (bytesWritten <= 0 && bytes.length > 0) throw failure('ENOSPC', call, 'the disk is full');
    await handle.write(bytes, 0, bytesWritten, at);
    return { n: record({ ...event, bytes: bytes.subarray(0, bytesWritten) }), bytesWritten };
  }

  read(into: Uint8Array, offset: number, length: number, position: number) {
    return this.#do('read', () => this.#opened.handle.read(into, offset, length, position));
  }

  stat(): Promise<FileStat> {
    return this.#do('fstat', () => this.#opened.handle.stat());
  }

  truncate(length: number): Promise<void> {
    return this.#do('truncate', async () => {
      await this.#opened.handle.truncate(length);
      this.#process.context.record({ kind: 'truncate', inode: this.#opened.inode, length });
    });
  }

  sync(): Promise<void> {
    return this.#sync('sync');
  }

  datasync(): Promise<void> {
    return this.#sync('datasync');
  }

  close(): Promise<void> {
    return this.#do('close', () => this.#opened.handle.close());
  }

  /** What was done before it began is durable when it ends; it may become so any time earlier. */
  async #sync(op: string): Promise<void> {
    const call = { ...this.#call, op };
    const { inode, handle } = this.#opened;
    const { record, count } = this.#process.context;
    const begun = await this.#process.call(call, async (fault) => {
      if (fault !== undefined) record({ kind: 'failed', inode, begun: count() });
      if (fault !== undefined) throw failure(fault, call);
      await handle.sync();
      return count();
    });
    record({ kind: 'synced', inode, begun });
  }

  #do<T>(op: string, work: () => Promise<T>): Promise<T> {
    const call = { ...this.#call, op };
    return this.#process.call(call, async (fault) => {
      if (fault !== undefined) throw failure(fault, call);
      return work();
    });
  }
}
