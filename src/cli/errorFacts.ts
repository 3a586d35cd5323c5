import { types } from 'node:util';

/** An error of the platform has this shape wherever it comes from: `instanceof` knows one realm. */
function isError(error: unknown): error is Error & { readonly code?: unknown } {
  return types.isNativeError(error);
}

export function messageOf(error: unknown): string {
  return isError(error) ? error.message : String(error);
}

/** The code of a failed system call, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return isError(error) && typeof error.code === 'string' ? error.code : undefined;
}

/** The stack of an error and those of its causes. */
export function stacksOf(error: unknown): string {
  if (!isError(error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by ${stacksOf(error.cause)}`;
}
