import type pg from 'pg';
import { StoreError } from '../../errors.ts';

export type Pg = typeof pg;

/** Loads the driver, which is installed by whoever wants PostgreSQL. */
export async function loadPg(
  load: () => Promise<{ default: Pg }> = () => import('pg'),
): Promise<Pg> {
  try {
    return (await load()).default;
  } catch (cause) {
    const message = 'PostgreSQL needs the package pg: run `npm install pg`';
    throw new StoreError('UNSUPPORTED', message, { cause });
  }
}
