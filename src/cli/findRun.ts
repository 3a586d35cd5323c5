import { isStoreError, type Run, type Store, StoreError } from '../index.ts';
import { CommandError, EXIT } from './failure.ts';

const ABBREVIATION_MIN = 4;
const PAGE = 1_000;

/** The run that a person means: its id, the beginning or end of it when unique, or `last`. */
export async function findRun(store: Store, given: string): Promise<Run> {
  if (given === 'last') return newest(store);
  try {
    return await store.runs.get(given);
  } catch (error) {
    if (!isStoreError(error, 'NOT_FOUND')) throw error;
    if (given.length < ABBREVIATION_MIN) throw tooShort(given, error);
    return byAbbreviation(store, given, error);
  }
}

function tooShort(given: string, cause: StoreError): CommandError {
  const remedy = `give at least four characters of its beginning or end, or \`last\``;
  return new CommandError(`no run has the id ${given}`, remedy, EXIT.notFound, cause);
}

async function newest(store: Store): Promise<Run> {
  const { items } = await store.runs.list({ limit: 1 });
  if (items[0] !== undefined) return items[0];
  throw new StoreError('NOT_FOUND', 'there is no run in this store yet');
}

async function byAbbreviation(store: Store, given: string, notFound: StoreError): Promise<Run> {
  const wanted = given.replace(/^…|…$/g, '');
  let found: Run | undefined;
  for await (const run of store.runs.list({ limit: PAGE })) {
    if (!run.id.startsWith(wanted) && !run.id.endsWith(wanted)) continue;
    if (found !== undefined) {
      const message = `${given} is short for ${found.id} and for ${run.id}, and maybe for more`;
      throw new StoreError('INVALID_ARGUMENT', message, { id: given });
    }
    found = run;
  }
  if (found === undefined) throw notFound;
  return found;
}
