#!/usr/bin/env node
// Nothing that needs a newer Node is imported before this has been asked.
import { refusalOf, withoutSqliteWarning } from './cli/nodeVersion.ts';

export type { Acknowledged, Plan } from './cli/recorder.ts';

/** What the command line records with, for those who bring their own surface. */
export const loadRecorder = () => import('./cli/recorder.ts');

// Node 22 does not say which module was started; there it is always this one.
if ((import.meta as Partial<ImportMeta>).main ?? true) {
  const refusal = refusalOf(process.versions.node);
  if (refusal === undefined) {
    process.emitWarning = withoutSqliteWarning(process.emitWarning.bind(process));
    const { main } = await import('./cli/main.ts');
    process.exitCode = await main();
  } else {
    process.stderr.write(`${refusal}\n`);
    process.exitCode = 1;
  }
}
