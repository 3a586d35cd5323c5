/** Patterns in which `*` stands for any characters and `?` for one; everything else for itself. */

/** What stands before the first `*` or `?`; all of it where there is none. */
export function prefixOf(pattern: string): string {
  const end = pattern.search(/[*?]/);
  return end < 0 ? pattern : pattern.slice(0, end);
}

/** For GLOB of SQLite, which knows brackets besides. */
export function globOf(pattern: string): string {
  return pattern.replaceAll('[', '[[]');
}

/** For LIKE of PostgreSQL. */
export function likeOf(pattern: string): string {
  const plain = pattern.replaceAll(/[\\%_]/g, (character) => `\\${character}`);
  return plain.replaceAll('*', '%').replaceAll('?', '_');
}
