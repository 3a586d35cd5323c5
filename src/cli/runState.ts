import type { Run, Step } from '../index.ts';

/** How `record` and `resume` sign what they run. */
export const WORKER = `process ${process.pid}`;
const RECORDER = /^process \d+$/;

/**
 * Whether its recorder died in the middle. A recorder owns the store while it lives, and so whoever
 * looks at a run of it that is still `running` has come after its end.
 */
export function isInterrupted({ status, attempts }: Run | Step): boolean {
  return status === 'running' && RECORDER.test(attempts.at(-1)?.worker ?? '');
}

/** From the first start, over all attempts, to the end; what still runs ends at `now`. */
export function tookMs(run: Run, now: number): number | undefined {
  const start = run.attempts[0]?.startedAt ?? run.startedAt;
  if (start === null) return undefined;
  return Math.max(0, (run.endedAt?.getTime() ?? now) - start.getTime());
}
