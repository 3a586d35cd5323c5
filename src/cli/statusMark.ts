import type { RunStatus, StepStatus } from '../index.ts';
import type { Colours } from './call.ts';

type Status = RunStatus | StepStatus;

export const ICON: Readonly<Record<Status, string>> = {
  queued: '○',
  running: '●',
  blocked: '◌',
  succeeded: '✔',
  failed: '✖',
  cancelled: '⊘',
  timed_out: '⧖',
  skipped: '⤼',
};

const COLOUR: Readonly<Record<Status, 'dim' | 'cyan' | 'yellow' | 'green' | 'red'>> = {
  queued: 'dim',
  running: 'cyan',
  blocked: 'yellow',
  succeeded: 'green',
  failed: 'red',
  cancelled: 'yellow',
  timed_out: 'red',
  skipped: 'dim',
};

/** A line that begins with a status mark, with that mark in the colour of the status. */
export function coloured(colours: Colours, status: Status, line: string): string {
  const icon = ICON[status];
  return line.replace(icon, () => colours[COLOUR[status]](icon));
}
