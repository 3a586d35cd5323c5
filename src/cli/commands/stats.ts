import type { StoreStats } from '../../index.ts';
import type { Verb } from '../call.ts';
import { EXIT } from '../failure.ts';
import { bytes, count, duration, padTo, plain } from '../text.ts';

export const stats: Verb = {
  name: 'stats',
  summary: 'figures of the store, and what opening it found',
  define: (command) => command,
  run: (call) =>
    call.withStore('read', async (store, { damaged }) => {
      const figures = await store.stats();
      if (call.json) await call.object(figures);
      else for (const line of describe(figures, damaged)) await call.line(line);
      return EXIT.ok;
    }),
};

function describe(figures: StoreStats, damaged: boolean): readonly string[] {
  const { location, storeId, position, runs, journal, recovery } = figures;
  const statuses = Object.entries(runs).filter(([, n]) => n > 0);
  const total = statuses.reduce((sum, [, n]) => sum + n, 0);
  const parts = statuses.map(([status, n]) => `${n} ${status}`).join(', ');
  const rows = [
    ['store', plain(location)],
    ['id', storeId],
    ['position', position],
    ['runs', total === 0 ? 'none' : `${total} (${parts})`],
    ['journal', `${count(journal.segments, 'segment')}, ${bytes(journal.bytes)}`],
    ['opened', describeRecovery(recovery, damaged)],
  ] as const;
  return rows.map(([name, value]) => `${padTo(name, 9)} ${value}`);
}

function describeRecovery(recovery: StoreStats['recovery'], damaged: boolean): string {
  const parts = [
    `in ${duration(recovery.durationMs)}`,
    damaged ? 'to be read only' : recovery.clean ? 'after a clean close' : 'after a crash',
    `${count(recovery.commitsReplayed, 'commit')} replayed`,
  ];
  if (recovery.bytesLeftBehind > 0) {
    // Behind damage stand writes that were acknowledged.
    const what = damaged
      ? 'that follow the damage left out'
      : 'of an unacknowledged tail left behind';
    parts.push(`${bytes(recovery.bytesLeftBehind)} ${what}`);
  }
  if (recovery.indexRebuilt) parts.push('index rebuilt');
  if (recovery.temporariesRemoved > 0) {
    parts.push(`${count(recovery.temporariesRemoved, 'unfinished file')} removed`);
  }
  return parts.join(', ');
}
