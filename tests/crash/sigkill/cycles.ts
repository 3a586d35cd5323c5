/** What a lane of kills came to. */
interface Outcome {
  readonly cycles: number;
  /** What was lost or not whole, with its cycle. */
  readonly problems: readonly string[];
}

/**
 * One cycle after the other, each told its number from 0, for as long as `goesOn` says so. The first
 * that finds something, or rejects, is the last: what comes after a loss tells nothing new.
 */
export async function cycles(
  goesOn: (cycle: number) => boolean,
  work: (cycle: number) => Promise<readonly string[]>,
): Promise<Outcome> {
  let cycle = 0;
  let found: readonly string[] = [];
  while (found.length === 0 && goesOn(cycle)) {
    found = await work(cycle).catch((error: unknown) => [String(error)]);
    cycle++;
  }
  return { cycles: cycle, problems: found.map((text) => `cycle ${cycle - 1}: ${text}`) };
}

/** Makes a lane of this process: it is told its task, and prints its report, as JSON on one line. */
export async function laneProgram(work: (task: unknown) => Promise<object>): Promise<void> {
  const task: unknown = JSON.parse(process.argv[2] ?? '');
  process.stdout.write(`${JSON.stringify(await work(task))}\n`);
}
