import type { ArtifactRow, ArtifactVersion } from '../../model/entities.ts';
import type { ArtifactFilter } from '../contract.ts';

export interface CataloguedArtifact {
  readonly runId: string;
  readonly row: ArtifactRow;
}

/** What is known of the artifacts of all runs. */
export interface ArtifactCatalog {
  /** `after`: the place at which the page before ended, as `next` told it. */
  query(
    filter: ArtifactFilter,
    after: string | undefined,
  ): Promise<{ readonly found: readonly CataloguedArtifact[]; readonly next: string | undefined }>;
  /** Those whose time to live has ended by now, held ones too, a page at a time. */
  expired(): AsyncIterable<readonly CataloguedArtifact[]>;
  /** Those that were made from this version, deleted ones too, oldest first. */
  children(version: ArtifactVersion): Promise<readonly CataloguedArtifact[]>;
}
