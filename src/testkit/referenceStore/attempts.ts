import type { Attempt, ErrorInfo } from '../../index.ts';

interface Tried<Status extends string> {
  readonly attempt: number;
  readonly attempts: readonly Attempt<Status>[];
}

/** Somebody starts, or goes on: whoever goes on with what is under way begins no new attempt. */
export function begun<Status extends string>(
  { attempt, attempts }: Tried<Status>,
  status: Status,
  worker: string | null,
  at: Date,
): readonly Attempt<Status>[] {
  const last = attempts.at(-1);
  const isUnderWay = last?.attempt === attempt && last.endedAt === null && last.worker === worker;
  if (isUnderWay) return attempts;
  return [...attempts, { attempt, worker, status, startedAt: at, endedAt: null, error: null }];
}

/** What is under way ends with this status; what was never started has no attempt. */
export function ended<Status extends string>(
  { attempts }: Tried<Status>,
  status: Status,
  error: ErrorInfo | null,
  at: Date,
): readonly Attempt<Status>[] {
  return attempts.map((attempt, n) =>
    n === attempts.length - 1 && attempt.endedAt === null
      ? { ...attempt, status, error, endedAt: at }
      : attempt,
  );
}
