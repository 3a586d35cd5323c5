import type { NewRun, ResetOptions, RunPatch, WriteOptions } from '../../model/commands.ts';
import { requireRun } from '../../model/decision.ts';
import type { Run } from '../../model/entities.ts';
import { idOfNewRun } from '../../model/ids.ts';
import { toRun } from '../../model/represent.ts';
import {
  decideCreateRun,
  decideDeleteRun,
  decideResetRun,
  decideUpdateRun,
} from '../../model/run.ts';
import type { RunState } from '../../model/runState.ts';
import type { Listing, Page, RunFilter, Runs } from '../contract.ts';
import { StoreError } from '../../errors.ts';
import { PagedListing } from '../commands/listing.ts';
import type { RunWriter } from '../commands/writer.ts';

/** `store.runs`, and `tx.runs` over a transaction's staging. */
export class RunManagementService implements Runs {
  readonly #writer: RunWriter;
  readonly #list: (filter: RunFilter) => Promise<Page<Run>>;

  constructor(writer: RunWriter, list: (filter: RunFilter) => Promise<Page<Run>>) {
    this.#writer = writer;
    this.#list = list;
  }

  async create(run: NewRun): Promise<Run> {
    const runId = idOfNewRun(run, () => this.#writer.freshId());
    return this.#writer.write(
      runId,
      (state, context) => decideCreateRun(state, runId, run, context),
      answer(runId),
    );
  }

  async get(runId: string): Promise<Run> {
    const row = await this.#writer.readRun(runId);
    if (row !== undefined) return toRun(row);
    throw new StoreError('NOT_FOUND', `run ${runId} is not in this store`, { id: runId });
  }

  list(filter: RunFilter = {}): Listing<Run> {
    return new PagedListing(filter, this.#list);
  }

  async update(runId: string, patch: RunPatch, options?: WriteOptions): Promise<Run> {
    return this.#writer.write(
      runId,
      (state, context) => decideUpdateRun(state, runId, patch, options, context),
      answer(runId),
    );
  }

  async reset(runId: string, options?: ResetOptions): Promise<Run> {
    return this.#again(runId, 'reset', options);
  }

  async retry(runId: string, options?: ResetOptions): Promise<Run> {
    return this.#again(runId, 'retry', options);
  }

  async delete(runId: string, options?: WriteOptions): Promise<void> {
    return this.#writer.delete(runId, (state) => decideDeleteRun(state, runId, options));
  }

  #again(runId: string, verb: 'reset' | 'retry', options?: ResetOptions): Promise<Run> {
    return this.#writer.write(
      runId,
      (state, context) => decideResetRun(state, runId, verb, options, context),
      answer(runId),
    );
  }
}

function answer(runId: string): (state: RunState) => Run {
  return (state) => toRun(requireRun(state, runId));
}
