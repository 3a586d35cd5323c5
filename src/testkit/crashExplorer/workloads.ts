import type { Workload } from './recording.ts';
import { callers, repetitions } from './workloads/callers.ts';
import { deletions, transactions } from './workloads/transactions.ts';
import { forgottenRuns, pins } from './workloads/retention.ts';
import { artifacts, checkpoints, largePayloads, removals } from './workloads/storage.ts';
import { clockJumps, kills, sessions } from './workloads/lives.ts';
import {
  failedJournals,
  failedRunFiles,
  framesAlike,
  namelessBlobs,
  namelessSegments,
  unfinishedWrites,
} from './workloads/takeovers.ts';
import { failedSyncs, failedWrites, fullDisks } from './workloads/faults.ts';

/** Between them they reach every way in which a store changes its disk. */
export const WORKLOADS: readonly Workload[] = [
  callers,
  repetitions,
  transactions,
  deletions,
  largePayloads,
  checkpoints,
  removals,
  artifacts,
  clockJumps,
  sessions,
  kills,
  failedSyncs,
  failedWrites,
  fullDisks,
  pins,
  forgottenRuns,
  failedJournals,
  failedRunFiles,
  unfinishedWrites,
  namelessSegments,
  namelessBlobs,
  framesAlike,
];
