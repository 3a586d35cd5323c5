import { posix } from 'node:path';
import { StoreError } from '../../../errors.ts';

/** Glob patterns, ready to be asked. */
export interface Patterns {
  readonly match: (path: string) => boolean;
  /** Whether something below this folder can match. */
  readonly mayMatchBelow: (folder: string) => boolean;
}

export interface PatternOptions {
  /** `*` and `**` match names that begin with a dot. */
  readonly dot: boolean;
}

/** `picomatch` is loaded when the first pattern is. `INVALID_ARGUMENT` for one that can match nothing. */
export async function compile(
  patterns: string | readonly string[],
  { dot }: PatternOptions,
): Promise<Patterns> {
  const all = typeof patterns === 'string' ? [patterns] : [...patterns];
  for (const pattern of all) refuseSenseless(pattern);
  if (all.length === 0) return { match: () => false, mayMatchBelow: () => false };
  const { default: picomatch } = await import('picomatch');
  // Paths have `/` on every system, so that `\` always escapes.
  const options = { dot, windows: false };
  const match = orInvalid(all, () => picomatch(all, options));
  const bases = all.map((pattern) =>
    // Where something is escaped the text of the base is not the name of a folder.
    pattern.includes('\\') ? '' : picomatch.scan(pattern).base,
  );
  const seesHidden = dot || all.some((pattern) => /(^|[/{,(|!])\./.test(pattern));
  return {
    // `!(x)` would take any name that is not x, also one with a dot.
    match: (path) => (seesHidden || !/(^|\/)\./.test(path)) && match(path),
    mayMatchBelow: (folder) => {
      if (!seesHidden && posix.basename(folder).startsWith('.')) return false;
      return bases.some((base) => base === '' || isBelow(folder, base) || isBelow(base, folder));
    },
  };
}

/** Whether `path` is `folder` or something in it. */
export function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function refuseSenseless(pattern: unknown): void {
  if (typeof pattern !== 'string' || pattern === '') throw invalid(pattern, 'is no text');
  if (pattern.startsWith('/')) throw invalid(pattern, 'is absolute: paths begin below the root');
  if (pattern.split('/').includes('..')) throw invalid(pattern, 'leads out by ..');
  if (/^!(?!\()/.test(pattern)) throw invalid(pattern, 'excludes: that is what `ignore` is for');
}

function orInvalid<T>(patterns: readonly string[], work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw invalid(patterns.join(', '), 'cannot be read', cause);
  }
}

function invalid(pattern: unknown, why: string, cause?: unknown): StoreError {
  const text = String(pattern).slice(0, 200);
  return new StoreError('INVALID_ARGUMENT', `pattern: ${text} ${why}`, { cause });
}
