const HANG_MS = 30_000;

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => void unhandled.push(reason));

/** Throws what nobody waited for: a failure that its caller was never told of. */
export function refuseUnhandled(): void {
  const [first] = unhandled.splice(0);
  if (first !== undefined) throw new Error('a rejection was not handled', { cause: first });
}

/** The answer to `work`; a rejection when there is none for half a minute: it hangs. */
export async function within<T>(what: string, work: Promise<T>): Promise<T> {
  const { promise: hang, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} hangs`)), HANG_MS);
  try {
    return await Promise.race([work, hang]);
  } finally {
    clearTimeout(timer);
  }
}
