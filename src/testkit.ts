export {
  describeStoreContract,
  type Poisoned,
  type StoreContractOptions,
} from './testkit/contract.ts';
export type { Expect, Hook, Matchers, TestCase, TestRunner } from './testkit/runner.ts';
