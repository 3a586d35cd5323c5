import { processContext } from './processContext.ts';
import { runProgram } from './program.ts';

/** Runs `holdfast` as this process was told to, and gives the exit code. */
export async function main(): Promise<number> {
  // The timers of a store never keep a process alive, and waiting for a busy store is one of them.
  const awake = setInterval(() => undefined, 2 ** 30);
  try {
    return await runProgram(process.argv.slice(2), processContext());
  } finally {
    clearInterval(awake);
  }
}
