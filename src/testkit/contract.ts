import type { Store } from '../index.ts';
import { artifactQueryTests } from './contract/artifactQueries.ts';
import { artifactTests } from './contract/artifacts.ts';
import { artifactVersionTests } from './contract/artifactVersions.ts';
import { concurrencyTests } from './contract/concurrency.ts';
import { deletionTests } from './contract/deletion.ts';
import { dependencyTests } from './contract/dependencies.ts';
import { eventTests } from './contract/events.ts';
import { filterTests } from './contract/filters.ts';
import { idTests } from './contract/ids.ts';
import { pageTests } from './contract/pages.ts';
import { payloadTests } from './contract/payloads.ts';
import { runTests } from './contract/runs.ts';
import { secondTryTests } from './contract/secondTries.ts';
import { closedTests, poisonedTests } from './contract/states.ts';
import { stepTests } from './contract/steps.ts';
import { StoreUnderTest, type Suite } from './contract/subject.ts';
import { transactionTests } from './contract/transactions.ts';
import { transitionTests } from './contract/transitions.ts';
import { upkeepTests } from './contract/upkeep.ts';
import { validationTests } from './contract/validation.ts';
import { watchTests } from './contract/watch.ts';
import { runnerOf, type TestRunner } from './runner.ts';

/** What `poison` gives back. */
export interface Poisoned {
  /** Ends the fault, so that the place can be opened again. */
  readonly heal: () => Promise<void>;
}

export interface StoreContractOptions {
  /**
   * Opens the store at `place`, a name that is new for each test. Called again with the same name
   * after a close it opens the same store, if the backend keeps it.
   */
  readonly open: (place: string) => Promise<Store>;
  /** Removes what is left of a place. The store there has been closed. */
  readonly destroy: (place: string) => Promise<void>;
  /** Whether a store outlives its close. Default: true. Without it nothing is tested as reopened. */
  readonly reopens?: boolean | undefined;
  /** Makes every write of the open store at `place` fail from now on. Without it: left out. */
  readonly poison?: ((place: string) => Promise<Poisoned>) | undefined;
  /** Default: the global functions of Jest or Vitest. */
  readonly runner?: TestRunner | undefined;
}

/**
 * Declares the tests that every backend of Holdfast has to pass, each on a store of its own: once
 * over the store as it was opened and once with a close and a reopening between what is written and
 * what is read. After each test the store is verified: one finding fails the test.
 */
export function describeStoreContract(name: string, options: StoreContractOptions): void {
  const runner = runnerOf(options.runner);
  const modes = options.reopens === false ? [false] : [false, true];
  for (const reopened of modes) {
    runner.describe(`${name}, as ${reopened ? 'reopened' : 'opened'}`, () => {
      const subject = new StoreUnderTest(options, reopened);
      const suite: Suite = { ...runner, subject };
      runner.beforeEach(() => subject.setUp());
      runner.afterEach(() => subject.tearDown());
      for (const declare of TESTS) declare(suite);
      const { poison } = options;
      if (poison !== undefined) poisonedTests(suite, poison, options.reopens !== false);
    });
  }
}

const TESTS: readonly ((suite: Suite) => void)[] = [
  runTests,
  transitionTests,
  stepTests,
  dependencyTests,
  eventTests,
  artifactTests,
  artifactVersionTests,
  artifactQueryTests,
  payloadTests,
  validationTests,
  idTests,
  pageTests,
  filterTests,
  transactionTests,
  secondTryTests,
  concurrencyTests,
  watchTests,
  deletionTests,
  upkeepTests,
  closedTests,
];
