import {
  ALIAS,
  factText,
  metadataPath,
  type MetadataValue,
  tagPath,
} from '../../model/artifactFacts.ts';
import * as check from '../../model/check.ts';
import { RUN_STATUSES } from '../../model/entities.ts';
import { LIMITS } from '../../limits.ts';
import type { ArtifactFilter, MetadataCondition } from '../contract.ts';

/** One thing that must hold, in a closed grammar: what SQL is made of, and the values bound to it. */
export type Condition =
  | { readonly on: 'name' | 'media_type'; readonly pattern: string }
  | { readonly on: 'digest'; readonly equal: string }
  | { readonly on: 'run_id'; readonly among: readonly string[] }
  | { readonly on: 'size' | 'created_ms'; readonly bounds: readonly Bound<number>[] }
  | { readonly on: 'text'; readonly path: string; readonly among: readonly string[] }
  | { readonly on: 'text'; readonly path: string; readonly bounds: readonly Bound<string>[] }
  | { readonly on: 'number'; readonly path: string; readonly among: readonly number[] }
  | { readonly on: 'number'; readonly path: string; readonly bounds: readonly Bound<number>[] }
  | {
      readonly on: 'any';
      readonly path: string;
      readonly texts: readonly string[];
      readonly numbers: readonly number[];
    }
  | { readonly on: 'path'; readonly path: string; readonly exists: boolean }
  | { readonly on: 'run'; readonly column: RunColumn; readonly among: readonly string[] }
  | { readonly on: 'run tag'; readonly key: string; readonly value: string }
  | { readonly on: 'newest' };

type RunColumn = 'status' | 'workflow' | 'project' | 'parent_run_id';

export interface Bound<T> {
  readonly operator: '>' | '>=' | '<' | '<=';
  readonly value: T;
}

const FILTER: ReadonlySet<string> = new Set<keyof ArtifactFilter>([
  'name',
  'mediaType',
  'digest',
  'alias',
  'tags',
  'metadata',
  'size',
  'createdAfter',
  'createdBefore',
  'runId',
  'run',
  'newestOnly',
  'limit',
  'cursor',
]);
const SIZE: ReadonlySet<string> = new Set(['min', 'max']);
const RUN: ReadonlySet<string> = new Set(['status', 'workflow', 'project', 'parentRunId', 'tags']);
const OPERATORS = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;
const CONDITION: ReadonlySet<string> = new Set([...Object.keys(OPERATORS), 'eq', 'in', 'exists']);
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** The conditions of a filter. `INVALID_ARGUMENT`, with its path, for what is none. */
export function conditionsOf(filter: ArtifactFilter): readonly Condition[] {
  const given = check.checkObject(filter, 'filter', FILTER);
  return [
    ...patterns(given),
    ...facts(given),
    ...sizes(given.size),
    ...times(given),
    ...ofRuns(given),
    ...(given.newestOnly === true ? [{ on: 'newest' } as const] : []),
  ];
}

function patterns({ name, mediaType, digest }: Partial<ArtifactFilter>): Condition[] {
  const found: Condition[] = [];
  if (name !== undefined) found.push({ on: 'name', pattern: check.checkName(name, 'filter.name') });
  if (mediaType !== undefined) {
    found.push({ on: 'media_type', pattern: check.checkName(mediaType, 'filter.mediaType') });
  }
  if (digest === undefined) return found;
  if (typeof digest !== 'string' || !DIGEST.test(digest)) {
    throw check.invalid('filter.digest', 'must be `sha256:` and 64 hexadecimal digits');
  }
  return [...found, { on: 'digest', equal: digest }];
}

function facts({ alias, tags, metadata }: Partial<ArtifactFilter>): Condition[] {
  const found: Condition[] = [];
  const text = (path: string, value: string) =>
    found.push({ on: 'text', path, among: [factText(value)] });
  if (alias !== undefined) text(ALIAS, check.checkName(alias, 'filter.alias'));
  const wanted = tags === undefined ? {} : check.checkTags(tags, 'filter.tags');
  for (const [key, value] of Object.entries(wanted)) text(tagPath(key), value);
  const paths = check.checkGivenMap(metadata, 'filter.metadata', LIMITS.tagsMax);
  for (const [path, condition] of paths) {
    found.push(...ofMetadata(path, condition as MetadataCondition));
  }
  return found;
}

function ofMetadata(key: string, condition: MetadataCondition): readonly Condition[] {
  const at = `filter.metadata.${key}`;
  const path = metadataPath(key);
  if (typeof condition !== 'object' || condition === null) return [among(path, [condition], at)];
  const given = check.checkObject(condition, at, CONDITION);
  const found: Condition[] = [];
  if (given.eq !== undefined) found.push(among(path, [given.eq], `${at}.eq`));
  if (given.in !== undefined) {
    const values = check.checkList(given.in, `${at}.in`, LIMITS.tagsMax) as MetadataValue[];
    if (values.length === 0) throw check.invalid(`${at}.in`, 'must name at least one value');
    found.push(among(path, values, `${at}.in`));
  }
  found.push(...bounded(path, given, at));
  const { exists } = given;
  if (typeof exists === 'boolean') found.push({ on: 'path', path, exists });
  else if (exists !== undefined) throw check.invalid(`${at}.exists`, 'must be true or false');
  if (found.length === 0) throw check.invalid(at, 'must say what to compare with');
  return found;
}

function among(path: string, values: readonly unknown[], at: string): Condition {
  const texts: string[] = [];
  const numbers: number[] = [];
  for (const value of values) {
    if (typeof value === 'number' && Number.isFinite(value)) numbers.push(value);
    else if (typeof value === 'string' || typeof value === 'boolean' || value === null) {
      texts.push(factText(value));
    } else throw check.invalid(at, 'must be a text, a finite number, true, false or null');
  }
  if (numbers.length === 0) return { on: 'text', path, among: texts };
  if (texts.length === 0) return { on: 'number', path, among: numbers };
  return { on: 'any', path, texts, numbers };
}

function bounded(
  path: string,
  given: Readonly<Record<string, unknown>>,
  at: string,
): readonly Condition[] {
  const texts: Bound<string>[] = [];
  const numbers: Bound<number>[] = [];
  for (const [name, operator] of Object.entries(OPERATORS)) {
    const value = given[name];
    if (value === undefined) continue;
    if (typeof value === 'string') texts.push({ operator, value: factText(value) });
    else if (typeof value === 'number' && Number.isFinite(value)) numbers.push({ operator, value });
    else throw check.invalid(`${at}.${name}`, 'must be a text or a finite number');
  }
  if (texts.length > 0 && numbers.length > 0) {
    throw check.invalid(at, 'compares with texts and with numbers: nothing is both');
  }
  if (numbers.length > 0) return [{ on: 'number', path, bounds: numbers }];
  // Among texts, and not what else is kept beside them.
  const within = [...texts, { operator: '>=', value: 's' }, { operator: '<', value: 't' }] as const;
  return texts.length > 0 ? [{ on: 'text', path, bounds: within }] : [];
}

function sizes(size: ArtifactFilter['size']): Condition[] {
  if (size === undefined) return [];
  const { min, max } = check.checkObject(size, 'filter.size', SIZE);
  const bounds: Bound<number>[] = [];
  const bytes = (value: number, path: string) =>
    check.checkInteger(value, path, 0, Number.MAX_SAFE_INTEGER);
  if (min !== undefined) bounds.push({ operator: '>=', value: bytes(min, 'filter.size.min') });
  if (max !== undefined) bounds.push({ operator: '<=', value: bytes(max, 'filter.size.max') });
  return bounds.length === 0 ? [] : [{ on: 'size', bounds }];
}

function times({ createdAfter, createdBefore }: Partial<ArtifactFilter>): Condition[] {
  const bounds: Bound<number>[] = [];
  const ms = (value: Date, path: string) => Date.parse(check.checkTime(value, path));
  if (createdAfter !== undefined) {
    bounds.push({ operator: '>=', value: ms(createdAfter, 'filter.createdAfter') });
  }
  if (createdBefore !== undefined) {
    bounds.push({ operator: '<', value: ms(createdBefore, 'filter.createdBefore') });
  }
  return bounds.length === 0 ? [] : [{ on: 'created_ms', bounds }];
}

function ofRuns({ runId, run }: Partial<ArtifactFilter>): Condition[] {
  const found: Condition[] = [];
  if (runId !== undefined) {
    const ids =
      typeof runId === 'string' ? [runId] : check.checkList(runId, 'filter.runId', LIMITS.listMax);
    if (ids.length === 0) throw check.invalid('filter.runId', 'must name at least one run');
    found.push({ on: 'run_id', among: ids.map((id) => check.checkId(id, 'filter.runId')) });
  }
  if (run === undefined) return found;
  const { status, workflow, project, parentRunId, tags } = check.checkObject(
    run,
    'filter.run',
    RUN,
  );
  const column = (name: RunColumn, values: readonly string[]) =>
    found.push({ on: 'run', column: name, among: values });
  if (status !== undefined) {
    const list: readonly unknown[] = [status].flat();
    if (list.length === 0)
      throw check.invalid('filter.run.status', 'must name at least one status');
    const checked = list.map((item) => check.checkOneOf(item, 'filter.run.status', RUN_STATUSES));
    column('status', checked);
  }
  if (workflow !== undefined)
    column('workflow', [check.checkName(workflow, 'filter.run.workflow')]);
  if (project !== undefined) column('project', [check.checkName(project, 'filter.run.project')]);
  if (parentRunId !== undefined) {
    column('parent_run_id', [check.checkId(parentRunId, 'filter.run.parentRunId')]);
  }
  const wanted = tags === undefined ? {} : check.checkTags(tags, 'filter.run.tags');
  for (const [key, value] of Object.entries(wanted)) found.push({ on: 'run tag', key, value });
  return found;
}
