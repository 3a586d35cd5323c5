export type PortOperation =
  | 'open'
  | 'write'
  | 'read'
  | 'fstat'
  | 'truncate'
  | 'sync'
  | 'datasync'
  | 'close'
  | 'mkdir'
  | 'readdir'
  | 'rename'
  | 'link'
  | 'unlink'
  | 'rmdir'
  | 'stat'
  | 'lstat'
  | 'chmod'
  | 'symlink'
  | 'readlink'
  | 'realpath';

/** One call of the file-system port. */
export interface PortCall {
  /** 1, 2, 3… in the order in which calls began. */
  readonly number: number;
  readonly op: PortOperation;
  /** For a call on a handle: where the file is now, also after a rename. */
  readonly path: string;
  /** The same for all calls on one file or folder, whatever it is called meanwhile. */
  readonly file: number;
  /** The open handle that the call is made on; absent for calls by path. */
  readonly handle?: number;
  readonly flags?: string | number | undefined;
  /** Of a write or a read: how many were asked for. */
  readonly bytes?: number;
  /** Of a rename or link: the new name. */
  readonly to?: string;
}

/**
 * `short`: a write or read moves half of its bytes and resolves. `late`: the work is done and then
 * reported as failed, with `EIO`. Anything else is the code of the error, and nothing is done.
 */
export type Fault = 'short' | 'late' | (string & {}) | undefined;

/** What the system would throw. */
export function failure(code: string, { op, path }: PortCall): Error {
  return Object.assign(new Error(`${code}: injected into ${op} ${path}`), { code, syscall: op });
}
