import type { Dialect } from '../../db.ts';
import type { ArtifactVersion } from '../../model/entities.ts';
import type { ArtifactCatalog } from '../commands/artifactCatalog.ts';
import type { ArtifactFilter } from '../contract.ts';
import type { ArtifactTables } from '../index/artifactConditions.ts';
import {
  type ArtifactPage,
  artifactPage,
  ArtifactQuery,
  childrenOf,
  expiredArtifacts,
  placeFromText,
  type Statement,
} from '../index/queryArtifacts.ts';
import { ARTIFACTS, parseRow } from './rows.ts';

type Row = Readonly<Record<string, unknown>>;

/** Who runs a statement that only reads. */
export type Ask = (statement: Statement) => Promise<readonly Row[]>;

/** The artifacts of all runs, in the tables of the database. */
export class DatabaseCatalog implements ArtifactCatalog {
  readonly #tables: ArtifactTables;
  readonly #ask: Ask;
  readonly #now: () => number;

  /** `now`: milliseconds since 1970. */
  constructor(dialect: Dialect, ask: Ask, now: () => number) {
    this.#tables = {
      dialect,
      artifacts: 'holdfast_artifacts',
      texts: 'holdfast_artifact_texts',
      numbers: 'holdfast_artifact_numbers',
      parents: 'holdfast_artifact_parents',
      runs: 'holdfast_runs',
      runTags: 'holdfast_run_tags',
    };
    this.#ask = ask;
    this.#now = now;
  }

  async query(filter: ArtifactFilter, after: string | undefined): Promise<ArtifactPage> {
    const query = new ArtifactQuery(filter, this.#tables, placeFromText(after));
    const { probe } = query;
    const [counts] = probe === undefined ? [] : await this.#ask(probe);
    const page = query.page(counts);
    return artifactPage(page === undefined ? [] : await this.#ask(page), query.limit, parsed);
  }

  expired(): AsyncGenerator<ArtifactPage['found'], void, undefined> {
    return expiredArtifacts(this.#now(), this.#tables, this.#ask);
  }

  async children(version: ArtifactVersion): Promise<ArtifactPage['found']> {
    const rows = await this.#ask(childrenOf(version, this.#tables));
    return artifactPage(rows, rows.length, parsed).found;
  }
}

/** `DATA_CORRUPT` where the row cannot be read. */
function parsed({ data, run_id }: Row): unknown {
  return parseRow(data as string, run_id as string, ARTIFACTS);
}
