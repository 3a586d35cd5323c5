import {
  checkId,
  checkInteger,
  checkList,
  checkName,
  checkObject,
  checkTags,
  checkText,
  invalid,
} from './check.ts';
import type { ArtifactPatch } from './commands.ts';
import type { ArtifactRow, ArtifactVersion } from './entities.ts';
import { LIMITS } from '../limits.ts';
import { encodeMetadata } from './run.ts';

/** The alias that needs no saying: the newest version that is not deleted. */
export const LATEST = 'latest';

const ALIASES_MAX = 64;
const PARENTS_MAX = 1_000;
const TTL_MS_MAX = 10 * 366 * 24 * 3_600_000;
const PARENT: ReadonlySet<string> = new Set<keyof ArtifactVersion>(['runId', 'name', 'version']);

type Fields = Pick<ArtifactRow, 'mediaType' | 'tags' | 'metadata' | 'expiresAt' | 'hold'>;

/** The fields that are given, as they are kept. A time to live counts from `at`. */
export function checkFields(
  { mediaType, tags, metadata, ttl, hold }: ArtifactPatch,
  path: string,
  at: string,
): Partial<Fields> {
  return {
    ...(mediaType !== undefined && { mediaType: checkName(mediaType, `${path}.mediaType`) }),
    ...(tags !== undefined && { tags: checkTags(tags, `${path}.tags`) }),
    ...(metadata !== undefined && { metadata: encodeMetadata(metadata, `${path}.metadata`) }),
    ...(ttl !== undefined && { expiresAt: expiry(ttl, `${path}.ttl`, at) }),
    ...(hold !== undefined && { hold: checkHold(hold, `${path}.hold`) }),
  };
}

function expiry(ttl: number | null, path: string, at: string): string | null {
  if (ttl === null) return null;
  const ms = checkInteger(ttl, path, 1, TTL_MS_MAX);
  return at === '' ? null : new Date(Date.parse(at) + ms).toISOString();
}

function checkHold(hold: string | null, path: string): string | null {
  if (hold === null) return null;
  const reason = checkText(hold, path, LIMITS.messageBytesMax);
  if (reason !== '') return reason;
  throw invalid(path, 'must say why, or be null');
}

/** Sorted, each once. */
export function checkAliases(value: readonly string[], path: string): readonly string[] {
  const names = checkList(value, path, ALIASES_MAX).map((alias, n) => {
    const name = checkName(alias, `${path}[${n}]`);
    if (name === LATEST) throw invalid(`${path}[${n}]`, `: ${LATEST} is always the newest version`);
    return name;
  });
  return [...new Set(names)].toSorted();
}

export function checkParents(
  value: readonly ArtifactVersion[],
  path: string,
): readonly ArtifactVersion[] {
  return checkList(value, path, PARENTS_MAX).map((parent, n) => {
    const at = `${path}[${n}]`;
    const { runId, name, version } = checkObject(parent as ArtifactVersion, at, PARENT);
    return {
      runId: checkId(runId, `${at}.runId`),
      name: checkName(name, `${at}.name`),
      version: checkInteger(version, `${at}.version`, 1, Number.MAX_SAFE_INTEGER),
    };
  });
}
