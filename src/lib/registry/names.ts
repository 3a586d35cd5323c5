import { StoreError } from '../errors.ts';
import { checkText, invalid } from '../model/check.ts';
import { REGISTRY_LIMITS } from './limits.ts';
import type { Semver } from './semver.ts';

/** The reserved workflow: each definition is one run of it, which is never executed. */
export const REGISTRY_WORKFLOW = 'holdfast.registry';

/** The tag that moves by itself. */
export const LATEST = 'latest';

const PREFIX = `${REGISTRY_WORKFLOW}:`;

const WORD = '[A-Za-z0-9][A-Za-z0-9._-]*';
const NAME = new RegExp(`^@?${WORD}(?:/${WORD})*$`);
const TAG = /^[A-Za-z][A-Za-z0-9._-]*$/;

/** Words of ASCII with slashes between them, as npm and OCI know them: `summarize`, `@team/agents/summarize`. */
export function checkDefinitionName(value: unknown, path = 'name'): string {
  const name = checkText(value, path, REGISTRY_LIMITS.nameBytesMax);
  if (NAME.test(name) && (!name.startsWith('@') || name.includes('/'))) return name;
  throw invalid(path, `must be words of letters, digits, '.', '_' and '-', with '/' between them`);
}

export function checkKind(value: unknown, path: string): string {
  const kind = checkText(value, path, REGISTRY_LIMITS.kindBytesMax);
  if (TAG.test(kind)) return kind;
  throw invalid(path, `must be a letter, then letters, digits, '.', '_' or '-'`);
}

/**
 * A version of Semantic Versioning 2.0.0, written in full. Metadata of a build is refused: versions
 * that differ in it alone are equal, and then a range could not tell them apart.
 */
export function checkVersion(semver: Semver, value: unknown, path = 'version'): string {
  const version = checkText(value, path, REGISTRY_LIMITS.versionBytesMax);
  if (semver.valid(version) === version) return version;
  throw invalid(path, 'must be a semantic version without metadata of a build, such as 1.2.0');
}

/** What could be a version or a range, such as `v1` or `x`, would never be found as a tag. */
export function checkTag(semver: Semver, value: unknown, path = 'tag'): string {
  const tag = checkText(value, path, REGISTRY_LIMITS.tagBytesMax);
  if (!TAG.test(tag)) {
    throw invalid(path, `must be a letter, then letters, digits, '.', '_' or '-'`);
  }
  if (semver.validRange(tag) === null) return tag;
  throw invalid(path, `must not look like a version or a range, as ${tag} does`);
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Null takes a deprecation or a yank back. */
export function checkReason(value: unknown, path: string): string | null {
  if (value === null) return null;
  const reason = checkText(value, path, REGISTRY_LIMITS.reasonBytesMax);
  if (reason.trim() === '') throw invalid(path, 'must not be empty; null takes it back');
  return reason;
}

/** Where the definition of that name is kept. */
export function runIdOf(name: string): string {
  return `${PREFIX}${name}`;
}

/** The other way round; `undefined` for a run that is no definition. */
export function nameOfRun(runId: string): string | undefined {
  return runId.startsWith(PREFIX) ? runId.slice(PREFIX.length) : undefined;
}

export function noDefinition(name: string, cause?: unknown): StoreError {
  const message = `there is no definition ${name} in the registry`;
  return new StoreError('NOT_FOUND', message, { id: name, cause });
}

/** `name@selector#checksum`, of which only the name must be there. */
export interface Ref {
  readonly name: string;
  readonly selector: string | undefined;
  readonly checksum: string | undefined;
}

export function formatRef(name: string, version: string, checksum: string): string {
  return `${name}@${version}#${checksum}`;
}

export function parseRef(value: unknown): Ref {
  const text = checkText(value, 'ref', REF_BYTES_MAX);
  const hash = text.indexOf('#');
  const [named, checksum] = hash < 0 ? [text] : [text.slice(0, hash), text.slice(hash + 1)];
  // A name may begin with an `@` itself.
  const at = named.indexOf('@', 1);
  const name = checkDefinitionName(at < 0 ? named : named.slice(0, at), 'ref');
  const selector = at < 0 ? undefined : named.slice(at + 1).trim();
  if (selector === '') throw invalid('ref', `${text} has no version behind its @`);
  if (checksum !== undefined && !/^sha256:[0-9a-f]{64}$/.test(checksum)) {
    throw invalid('ref', `${text} has no SHA-256 behind its #`);
  }
  return { name, selector, checksum };
}

const REF_BYTES_MAX = 1024;
