import type { Acknowledged } from '../../src/cli.ts';

/** What the recorder tells the demonstration while it lives. */
export type Message =
  | { readonly type: 'started'; readonly runId: string }
  | { readonly type: 'step'; readonly name: string }
  | { readonly type: 'progress'; readonly percent: number }
  | { readonly type: 'acknowledged'; readonly write: Acknowledged }
  | {
      readonly type: 'ended';
      readonly name: string;
      readonly status: string;
      readonly durationMs: number;
    };
