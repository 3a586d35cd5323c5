import type semver from 'semver';

export type Semver = typeof semver;

/** Loaded when a registry is first used: `import 'holdfast'` brings none of its libraries along. */
export async function loadSemver(): Promise<Semver> {
  return (await import('semver')).default;
}
