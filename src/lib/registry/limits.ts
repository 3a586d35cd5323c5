const KiB = 1024;
const MiB = 1024 * KiB;

/** What a registry holds; over it is `LIMIT_EXCEEDED`. */
export const REGISTRY_LIMITS = {
  nameBytesMax: 128,
  versionBytesMax: 128,
  tagBytesMax: 64,
  kindBytesMax: 64,
  /** Why a version is deprecated or yanked. */
  reasonBytesMax: 1 * KiB,
  /** Manifest and schemas of one version, as they are kept. */
  definitionBytesMax: 1 * MiB,
  /** Of one definition. */
  versionsMax: 10_000,
  tagsMax: 100,
  /** How many steps back a tag can be rolled. */
  rollbacksMax: 100,
} as const;
