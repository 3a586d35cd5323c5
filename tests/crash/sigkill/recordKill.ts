import type { World } from '../../scenario/cliWorld.ts';

/** When a `holdfast` is killed: so long after so much live output of its commands was seen. */
export interface RecordMoment {
  /** Bytes. */
  readonly seen: number;
  readonly delayMs: number;
}

export interface RecorderEnd {
  /** `false`: it had come to its end before. */
  readonly isKilled: boolean;
  /** It had told, as its result, that the run has succeeded. */
  readonly isOver: boolean;
  /** Live output that was seen before the kill was sent. Bytes. */
  readonly seen: number;
}

/**
 * Runs the real program with `--json`, which leaves standard error to the live output, and kills it
 * at `moment`. Rejects when it fails by itself.
 */
export async function recordAndKill(
  world: World,
  argv: readonly string[],
  moment: RecordMoment,
): Promise<RecorderEnd> {
  const child = world.start(argv);
  let [seen, result, tail] = [0, '', ''];
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    if (seen >= moment.seen) timer ??= setTimeout(() => child.kill('SIGKILL'), moment.delayMs);
  };
  look();
  child.stdin?.destroy();
  child.stdout?.on('data', (chunk: Buffer) => void (result += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => {
    seen += child.killed ? 0 : chunk.length;
    tail = chunk.toString().slice(-500);
    look();
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve([code, signal]));
  });
  clearTimeout(timer);
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`code ${code}: ${result}${tail}`);
  const isOver = result.endsWith('\n') && /"status":"succeeded"/.test(result);
  if (signal !== 'SIGKILL' && !isOver) throw new Error(`ended without a result: ${result}${tail}`);
  return { isKilled: signal === 'SIGKILL', isOver, seen };
}
