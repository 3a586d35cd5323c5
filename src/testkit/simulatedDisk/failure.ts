/** An error as the system gives it, for a call that was made to fail. */
export function failure(
  code: string,
  { op, path }: { readonly op: string; readonly path: string },
  why = 'injected',
): Error {
  return Object.assign(new Error(`${code}: ${why}, ${op} '${path}'`), { code, syscall: op, path });
}
