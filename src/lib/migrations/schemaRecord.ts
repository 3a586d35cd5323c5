/** Definitions by object (`table public.users`) and part of it (`column id`; '' is the object itself). */
type SchemaSnapshot = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Object, part, and its definition before and after; null where it was not there. */
export type SchemaChange = readonly [string, string, string | null, string | null];

/** What one migration changed, and which server said so: another one may word definitions anew. */
export interface SchemaRecord {
  readonly engine: string;
  readonly changes: readonly SchemaChange[];
}

/** Where the schema is not as the migrations left it; null where something is not to be, or not there. */
export interface SchemaDifference {
  readonly object: string;
  /** Null: the object as a whole. */
  readonly part: string | null;
  readonly expected: string | null;
  readonly actual: string | null;
}

export interface EngineSnapshot {
  readonly engine: string;
  readonly schema: SchemaSnapshot;
}

/** From one snapshot to the next. */
export function changesBetween(before: EngineSnapshot, after: EngineSnapshot): SchemaRecord {
  const changes: SchemaChange[] = [];
  for (const object of new Set([...before.schema.keys(), ...after.schema.keys()])) {
    const [old, now] = [before.schema.get(object), after.schema.get(object)];
    for (const part of new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])) {
      const [was, is] = [old?.get(part) ?? null, now?.get(part) ?? null];
      if (was !== is) changes.push([object, part, was, is]);
    }
  }
  return { engine: after.engine, changes };
}

interface Expected {
  readonly definition: string;
  readonly engine: string;
}

/**
 * Compares what the migrations made, and nothing else: other programs may have tables beside them.
 * What they made whole is to have no part that they did not make.
 */
export function driftChanges(
  records: readonly SchemaRecord[],
  actual: EngineSnapshot,
): readonly SchemaChange[] {
  const changes: SchemaChange[] = [];
  for (const [object, parts] of expectedFrom(records)) {
    const found = actual.schema.get(object);
    for (const [part, { definition, engine }] of parts) {
      const is = found?.get(part);
      const isSame = is !== undefined && (is === definition || engine !== actual.engine);
      if (!isSame) changes.push([object, part, definition, is ?? null]);
    }
    if (found === undefined || !parts.has('')) continue;
    for (const [part, is] of found) if (!parts.has(part)) changes.push([object, part, null, is]);
  }
  return changes;
}

/** The second after the first: what it changed from, and to. */
export function mergeChanges(
  first: readonly SchemaChange[],
  second: readonly SchemaChange[],
): readonly SchemaChange[] {
  const merged = new Map(first.map((change) => [change.slice(0, 2).join('\0'), change]));
  for (const [object, part, before, after] of second) {
    const key = `${object}\0${part}`;
    const known = merged.get(key);
    merged.set(key, [object, part, known === undefined ? before : known[2], after]);
  }
  return [...merged.values()];
}

/** The records with `drift` in them: each change in the record that last spoke of its part or object. */
export function adopt(
  records: readonly SchemaRecord[],
  drift: readonly SchemaChange[],
): readonly SchemaRecord[] {
  const adopted = [...records];
  for (const [object, part, , actual] of drift) {
    const speaksOf = (wanted: string) => (record: SchemaRecord) =>
      record.changes.some(([o, p, , after]) => o === object && p === wanted && after !== null);
    const last = adopted.findLastIndex(speaksOf(part));
    const n = last < 0 ? adopted.findLastIndex(speaksOf('')) : last;
    const record = adopted[n];
    if (record === undefined) continue;
    const changes = mergeChanges(record.changes, [[object, part, null, actual]]);
    adopted[n] = { ...record, changes };
  }
  return adopted;
}

/** What undoing has not brought back as it was before. */
export function leftBehind(
  { engine, changes }: SchemaRecord,
  actual: EngineSnapshot,
): readonly SchemaChange[] {
  return changes.flatMap(([object, part, before]): readonly SchemaChange[] => {
    const is = actual.schema.get(object)?.get(part) ?? null;
    const isReworded = is !== null && before !== null && engine !== actual.engine;
    return is === before || isReworded ? [] : [[object, part, before, is]];
  });
}

/** For people and programs: an object that is gone has no parts to speak of. */
export function differencesOf(changes: readonly SchemaChange[]): readonly SchemaDifference[] {
  const gone = new Set(changes.filter(isGone).map(([object]) => object));
  return changes
    .filter(([object, part]) => part === '' || !gone.has(object))
    .map(([object, part, expected, actual]) => ({
      object,
      part: part === '' ? null : part,
      expected,
      actual,
    }));
}

function isGone([, part, , actual]: SchemaChange): boolean {
  return part === '' && actual === null;
}

function expectedFrom(records: readonly SchemaRecord[]): Map<string, Map<string, Expected>> {
  const objects = new Map<string, Map<string, Expected>>();
  for (const { engine, changes } of records) {
    for (const [object, part, , after] of changes) {
      const parts = objects.get(object) ?? new Map<string, Expected>();
      objects.set(object, parts);
      if (after === null) parts.delete(part);
      else parts.set(part, { definition: after, engine });
    }
  }
  return objects;
}

/** One line for people: `table users, column email: text → varchar(10)`. */
export function describeDifference(difference: SchemaDifference): string {
  const { object, part, expected, actual } = difference;
  const where = part === null ? object : `${object}, ${part}`;
  if (actual === null) return `${where} is gone`;
  if (expected === null) return `${where} is not from a migration`;
  return `${where}: ${expected} → ${actual}`;
}

/** One line for each part of what the records speak of, as it is now; sorted, so that it compares. */
export function describeSchema(
  records: readonly SchemaRecord[],
  { schema }: EngineSnapshot,
): string {
  const lines = [...expectedFrom(records).keys()].flatMap((object) =>
    [...(schema.get(object) ?? [])].map(([part, definition]) => {
      const where = part === '' ? object : `${object}, ${part}`;
      return `${where}: ${definition}`;
    }),
  );
  return lines
    .toSorted()
    .map((line) => `${line}\n`)
    .join('');
}
