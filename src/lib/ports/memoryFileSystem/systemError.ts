import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

type Code =
  'EBADF' | 'EEXIST' | 'EINVAL' | 'EISDIR' | 'ELOOP' | 'ENOENT' | 'ENOTDIR' | 'ENOTEMPTY' | 'EPERM';

const REASONS = getSystemErrorMap();

/** An error with the message and the properties that Node gives to a failed call of the system. */
export function systemError(code: Code, syscall: string, path?: string, dest?: string): Error {
  const errno = -constants.errno[code];
  const [, reason] = REASONS.get(errno) ?? [code, code];
  const names = path === undefined ? '' : ` '${path}'`;
  const to = dest === undefined ? '' : ` -> '${dest}'`;
  return Object.assign(new Error(`${code}: ${reason}, ${syscall}${names}${to}`), {
    errno,
    code,
    syscall,
    ...(path !== undefined && { path }),
    ...(dest !== undefined && { dest }),
  });
}

/** What a `FileHandle` of Node answers after `close`. */
export function closedError(syscall: string): Error {
  return Object.assign(new Error('file closed'), { code: 'EBADF', syscall });
}
