import { StoreError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { AttemptShape, ErrorInfo, Stored } from './entities.ts';

type AttemptRow<Status extends string> = AttemptShape<Stored, Status>;

interface Tried<Status extends string> {
  readonly id: string;
  readonly attempt: number;
  readonly attempts: readonly AttemptRow<Status>[];
}

/** The attempts once `worker` has started the current one; going on with it adds nothing. */
export function begun<Status extends string>(
  entity: Tried<Status>,
  status: Status,
  worker: string | null,
  at: string,
): readonly AttemptRow<Status>[] {
  const { attempts, attempt } = entity;
  const last = attempts.at(-1);
  if (last?.attempt === attempt && last.endedAt === null && last.worker === worker) return attempts;
  if (attempts.length >= LIMITS.attemptsMax) {
    const message = `${entity.id} was tried ${attempts.length} times, which is the limit`;
    throw new StoreError('LIMIT_EXCEEDED', message, { id: entity.id });
  }
  return [...attempts, { attempt, worker, status, startedAt: at, endedAt: null, error: null }];
}

/** The attempts once the current one, if it was ever started, has ended. */
export function ended<Status extends string>(
  entity: Tried<Status>,
  status: Status,
  error: ErrorInfo | null,
  at: string,
): readonly AttemptRow<Status>[] {
  const last = entity.attempts.at(-1);
  if (last === undefined || last.endedAt !== null) return entity.attempts;
  return [...entity.attempts.slice(0, -1), { ...last, status, error, endedAt: at }];
}
