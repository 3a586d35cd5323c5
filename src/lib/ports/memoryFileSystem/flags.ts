import { FLAGS as constants } from '../fileSystem.ts';
import type { Access } from './memoryFile.ts';

export interface OpenFlags extends Access {
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly truncate: boolean;
  readonly folderOnly: boolean;
  readonly noFollow: boolean;
}

const LETTERS: ReadonlySet<string> = new Set(
  'r rs r+ rs+ w wx w+ wx+ a ax as a+ ax+ as+'.split(' '),
);

/** The flags of `open` as letters (`'r+'`, `'wx'`…) or as the numbers of the platform. */
export function parseFlags(flags: string | number): OpenFlags {
  return typeof flags === 'number' ? fromNumber(flags) : fromLetters(flags);
}

function fromNumber(flags: number): OpenFlags {
  const has = (flag: number | undefined) => flag !== undefined && (flags & flag) !== 0;
  return {
    read: !has(constants.O_WRONLY),
    write: has(constants.O_WRONLY | constants.O_RDWR),
    append: has(constants.O_APPEND),
    create: has(constants.O_CREAT),
    exclusive: has(constants.O_EXCL),
    truncate: has(constants.O_TRUNC),
    folderOnly: has(constants.O_DIRECTORY),
    noFollow: has(constants.O_NOFOLLOW),
  };
}

function fromLetters(flags: string): OpenFlags {
  if (!LETTERS.has(flags)) {
    const message = `The argument 'flags' is invalid. Received '${flags}'`;
    throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
  }
  const both = flags.includes('+');
  const kind = flags.charAt(0);
  return {
    read: kind === 'r' || both,
    write: kind !== 'r' || both,
    append: kind === 'a',
    create: kind !== 'r',
    exclusive: flags.includes('x'),
    truncate: kind === 'w',
    folderOnly: false,
    noFollow: false,
  };
}
