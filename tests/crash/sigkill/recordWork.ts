import { SeededRandom } from '../../../src/testkit/seededRandom.ts';

/** A step of a plan, and what its command writes whenever it runs to its end. */
interface PlannedStep {
  readonly name: string;
  readonly dependsOn: readonly string[];
  readonly output: string;
  /** A file that the step leaves and the recorder keeps. */
  readonly file: string | undefined;
}

const STEPS_MAX = 5;

/** A plan of commands of which everything is known: the seed decides it. */
export class RecordWork {
  readonly steps: readonly PlannedStep[];
  /** Where each command says, before anything else, that it was started. */
  readonly marksFile: string;
  readonly plan: unknown;

  /** `name`: begins the names of the files, in the folder where the commands run. */
  constructor(seed: number, name: string) {
    const random = new SeededRandom(seed);
    const count = 1 + random.below(STEPS_MAX);
    this.marksFile = `${name}.marks`;
    const counts = Array.from({ length: count }, () =>
      // Mostly small, sometimes over 64 KiB.
      random.chance(0.2) ? 10_000 + random.below(10_000) : 1 + random.below(1_000),
    );
    this.steps = counts.map((lines, i) => ({
      name: `s${i}`,
      dependsOn: i > 0 && random.chance(0.8) ? [`s${random.below(i)}`] : [],
      output: Array.from({ length: lines }, (_, n) => `s${i} says ${n + 1}\n`).join(''),
      file: random.chance(0.5) ? `${name}.s${i}.txt` : undefined,
    }));
    this.plan = {
      workflow: 'kill',
      steps: this.steps.map(({ name, dependsOn, file }, i) => ({
        name,
        dependsOn,
        run: [
          `echo ${name} >> ${this.marksFile}`,
          ...(file === undefined ? [] : [`echo ${name} left this > ${file}`]),
          `seq -f '${name} says %.0f' ${counts[i]}`,
        ].join('; '),
        ...(file === undefined ? {} : { artifacts: [file] }),
      })),
    };
  }

  get outputBytes(): number {
    return this.steps.reduce((sum, { output }) => sum + output.length, 0);
  }
}
