import { type ChildProcess, spawn } from 'node:child_process';
import { PHASES, type Phase, type WriterTask } from './protocol.ts';

const WRITER = new URL('writer.ts', import.meta.url).pathname;

/** When a writer is killed: so long after it has come so far. */
export interface KillMoment {
  readonly phase: Phase;
  /** Acknowledgements seen. */
  readonly acknowledged: number;
  readonly delayMs: number;
}

/** What a writer had said when it died. */
export interface LastWords {
  readonly phase: Phase;
  /** How many operations of each caller were acknowledged, by caller. */
  readonly acknowledged: readonly number[];
  /** Callers whose next operation the store refused as it was closing. */
  readonly refused: ReadonlySet<number>;
  /** The numbers of the acknowledged events of the shared run, by `caller operation`. */
  readonly shared: ReadonlyMap<string, number>;
}

/** Runs a writer and kills it at `moment`. Rejects when it ends in any other way. */
export async function runAndKill(task: WriterTask, moment: KillMoment): Promise<LastWords> {
  const victim = new Victim(task);
  void victim
    .reached(moment.phase, moment.acknowledged)
    .then(() => setTimeout(() => victim.signal('SIGKILL'), moment.delayMs));
  return victim.killed;
}

/** A writer that runs as a process of its own. */
export class Victim {
  /** Its last words once it was killed; rejects when it ends in any other way. */
  readonly killed: Promise<LastWords>;
  readonly #child: ChildProcess;
  readonly #words: Words;
  #waiting: { readonly isThere: () => boolean; readonly resolve: () => void }[] = [];

  constructor(task: WriterTask) {
    const child = spawn(process.execPath, [WRITER, JSON.stringify(task)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#words = new Words(task.callers);
    let rest = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      // A line without its end may have been cut by the kill: it never counts.
      rest = lines.pop() ?? '';
      for (const line of lines) this.#words.add(line);
      this.#look();
    });
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => void (complaint += chunk.toString()));
    this.killed = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (_code, signal) => {
        if (signal === 'SIGKILL') resolve(this.#words);
        else reject(new Error(`the writer ended by itself: ${complaint}`));
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Acknowledgements seen so far. */
  get acknowledged(): number {
    return this.#words.count;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves once it is in `phase` or past it, with so many acknowledgements; never if it dies. */
  reached(phase: Phase, acknowledged: number): Promise<void> {
    const isThere = () =>
      PHASES.indexOf(this.#words.phase) >= PHASES.indexOf(phase) &&
      this.#words.count >= acknowledged;
    return new Promise((resolve) => {
      this.#waiting.push({ isThere, resolve });
      this.#look();
    });
  }

  #look(): void {
    for (const { isThere, resolve } of this.#waiting) if (isThere()) resolve();
    this.#waiting = this.#waiting.filter(({ isThere }) => !isThere());
  }
}

class Words implements LastWords {
  readonly acknowledged: number[];
  readonly refused = new Set<number>();
  readonly shared = new Map<string, number>();
  phase: Phase = 'starting';
  count = 0;

  constructor(callers: number) {
    this.acknowledged = Array.from({ length: callers }, () => 0);
  }

  add(line: string): void {
    const [word = '', ...numbers] = line.split(' ');
    const [caller = 0, operation = 0, seq] = numbers.map(Number);
    if (word === 'ok') {
      this.count++;
      this.acknowledged[caller] = operation + 1;
      if (seq !== undefined) this.shared.set(`${caller} ${operation}`, seq);
    } else if (word === 'no') {
      this.refused.add(caller);
    } else {
      this.phase = PHASES.find((phase) => phase === word) ?? this.phase;
    }
  }
}
