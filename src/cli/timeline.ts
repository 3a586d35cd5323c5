import type { Run, Step } from '../index.ts';
import { cells } from './terminal.ts';

export interface TimeWindow {
  readonly from: number;
  readonly to: number;
}

/** From the first start to the last end of anything in the run; what still runs ends now. */
export function windowOf(run: Run, steps: readonly Step[], now: number): TimeWindow {
  const stretches = steps.flatMap((step) => stretchesOf(step, now));
  const starts = stretches.map(({ start }) => start);
  const ends = stretches.map(({ end }) => end);
  const from = Math.min(run.startedAt?.getTime() ?? now, ...starts);
  return { from, to: Math.max(run.endedAt?.getTime() ?? from, ...ends) };
}

/** The step's time as a bar in the run's time: earlier attempts light, the last one full. */
export function timeline(step: Step, window: TimeWindow, width: number, now: number): string {
  const line = Array.from({ length: width }, () => ' ');
  const stretches = stretchesOf(step, now);
  for (const { start, end, isCurrent } of stretches) {
    const { first, length } = cells({ start, end }, window, width);
    line.fill(isCurrent ? '█' : '░', first, first + length);
  }
  return line.join('').trimEnd();
}

function stretchesOf(step: Step, now: number) {
  return step.attempts.map(({ attempt, startedAt, endedAt }) => ({
    start: startedAt.getTime(),
    end: endedAt?.getTime() ?? now,
    isCurrent: attempt === step.attempt,
  }));
}
