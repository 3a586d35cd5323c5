import { isStoreError, StoreError } from '../../errors.ts';
import { ARTIFACT, EVENT, faultOf, isCount, isText, RUN, type Shape, STEP } from './shapes.ts';

/** A table whose rows are JSON, of which these fields tell one of a run from the others. */
interface RowTable {
  readonly name: string;
  readonly shape: Shape;
  readonly key: readonly string[];
  /** The field that repeats the id of the run. */
  readonly runId?: string;
}

export const RUNS: RowTable = { name: 'holdfast_runs', shape: RUN, key: [], runId: 'id' };
export const STEPS: RowTable = { name: 'holdfast_steps', shape: STEP, key: ['id'] };
export const EVENTS: RowTable = { name: 'holdfast_events', shape: EVENT, key: ['seq'] };
export const DELETED_EVENTS: RowTable = { ...EVENTS, name: 'holdfast_deleted_events' };
export const ARTIFACTS: RowTable = {
  name: 'holdfast_artifacts',
  shape: ARTIFACT,
  key: ['name', 'version'],
};

/** What is wrong with some rows, of which one is the last; none when there were none. */
export interface CheckedPage {
  readonly faults: readonly StoreError[];
  readonly last: number | undefined;
}

/** The JSON of a row of a run. `DATA_CORRUPT` for what is none, or not that of such a row. */
export function parseRow(text: string, runId: string, table: RowTable): unknown {
  const { value, fault, cause } = parsed(text, runId, table);
  if (fault === undefined) return value;
  const row = [runId, ...keyOf(value, table)].join(' ');
  const message = `row ${row} of ${table.name} is damaged: ${fault}`;
  throw new StoreError('DATA_CORRUPT', message, { id: runId, cause });
}

function parsed(text: string, runId: string, { shape, runId: field }: RowTable) {
  try {
    const value: unknown = JSON.parse(text);
    const fault = faultOf(value, shape);
    const isOther = fault === undefined && field !== undefined && fieldOf(value, field) !== runId;
    return { value, fault: isOther ? `${field} is that of another run` : fault };
  } catch (cause) {
    return { fault: 'it is no JSON', cause };
  }
}

function keyOf(value: unknown, { key }: RowTable): readonly unknown[] {
  return key.map((field) => fieldOf(value, field)).filter((part) => isText(part) || isCount(part));
}

function fieldOf(value: unknown, field: string): unknown {
  return (value as Readonly<Record<string, unknown>> | null | undefined)?.[field];
}

/** What `work` gives, or the `StoreError` that it throws. */
export function attempt<T>(work: () => T): T | StoreError {
  try {
    return work();
  } catch (error) {
    if (!isStoreError(error)) throw error;
    return error;
  }
}
