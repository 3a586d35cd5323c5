/** The first whose `node:sqlite` tells whether a transaction is open: it holds the index and the lock. */
const NEEDED = [22, 16] as const;

/** What the user of an older Node is told; `undefined` when this one will do. */
export function refusalOf(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) return undefined;
  return `holdfast: needs Node >= ${NEEDED.join('.')}, found v${version} — use a newer Node`;
}

/** Node 22 calls SQLite experimental each time: of no use to whoever runs a command. */
export function withoutSqliteWarning(
  emitWarning: typeof process.emitWarning,
): typeof process.emitWarning {
  return new Proxy(emitWarning, {
    apply(target, self, args: readonly unknown[]): void {
      const [warning, kind] = args;
      if (kind === 'ExperimentalWarning' && String(warning).startsWith('SQLite')) return;
      Reflect.apply(target, self, args);
    },
  });
}
