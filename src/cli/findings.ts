import type { Finding } from '../index.ts';
import { count, plain } from './text.ts';

/** Where and what. The message of a failure names its file already. */
export function describeFinding({ code, file, byte, message }: Finding): string {
  const place = byte === undefined ? file : `${file} at byte ${byte}`;
  const what = message.includes(file) ? message : `${place}: ${message}`;
  return `${plain(what)} (${code})`;
}

export function isOfJournal({ code }: Finding): boolean {
  return code === 'JOURNAL_CORRUPT';
}

/** What to do about what a repair of the journal leaves as it is. */
export function adviceForOthers(others: readonly Finding[]): string {
  const files = new Set(others.map(({ file }) => file)).size;
  return (
    `\`holdfast repair\` mends only the journal: restore ${count(files, 'named file')} from a ` +
    'backup, or delete the run that it belongs to through the library (`store.runs.delete`)'
  );
}
