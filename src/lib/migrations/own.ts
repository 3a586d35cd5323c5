import type { Migration } from './migration.ts';
import { STORE } from './own/store.ts';

export { PARTITION_COMMITS } from './own/logPartitions.ts';
export { EVENT_BLOCK } from './own/store.ts';

/** Where Holdfast counts its own migrations; those of a program have a table of their own. */
export const OWN_TABLE = 'holdfast_schema';

/** The schema of a database store, oldest first. One that was released is never edited. */
export const OWN_MIGRATIONS: readonly Migration[] = [STORE];
