import type { Run, RunStatus, Step, StepStatus } from '../index.ts';
import type { Colours } from './call.ts';
import { type Gone, isInterrupted } from './runState.ts';
import { shortId } from './text.ts';

type Shown = RunStatus | StepStatus | 'interrupted';

const ICON: Readonly<Record<Shown, string>> = {
  queued: '○',
  running: '●',
  interrupted: '✂',
  blocked: '◌',
  succeeded: '✔',
  failed: '✖',
  cancelled: '⊘',
  timed_out: '⧖',
  skipped: '⤼',
};

const COLOUR: Readonly<Record<Shown, 'dim' | 'cyan' | 'yellow' | 'green' | 'red'>> = {
  queued: 'dim',
  running: 'cyan',
  interrupted: 'yellow',
  blocked: 'yellow',
  succeeded: 'green',
  failed: 'red',
  cancelled: 'yellow',
  timed_out: 'red',
  skipped: 'dim',
};

/** The status as people see it: what nobody runs any more is not `running`. */
export function markOf(
  item: Run | Step,
  gone: Gone,
): { readonly icon: string; readonly word: string } {
  const shown = shownStatus(item, gone);
  return { icon: ICON[shown], word: shown.replace('_', ' ') };
}

/** A line that begins with a status mark, with that mark in the colour of the status. */
export function coloured(colours: Colours, item: Run | Step, gone: Gone, line: string): string {
  const shown = shownStatus(item, gone);
  const icon = ICON[shown];
  return line.replace(icon, () => colours[COLOUR[shown]](icon));
}

/** What to do about an interrupted run. */
export function goOnHint({ id }: Run): string {
  return `the recorder of ${shortId(id)} is gone: \`holdfast resume ${shortId(id)}\` goes on with it`;
}

function shownStatus(item: Run | Step, gone: Gone): Shown {
  return isInterrupted(item, gone) ? 'interrupted' : item.status;
}
