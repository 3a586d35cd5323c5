export {
  describeStoreContract,
  type Poisoned,
  type StoreContractOptions,
} from './testkit/contract.ts';
export type { Expect, Hook, Matchers, TestCase, TestRunner } from './testkit/runner.ts';
export { ManualClock } from './testkit/manualClock.ts';
export { SeededRandom } from './testkit/seededRandom.ts';
export {
  type DiskCall,
  type DiskFault,
  SimulatedDisk,
  type SimulatedDiskOptions,
} from './testkit/simulatedDisk.ts';
export {
  type BrokenState,
  type Explored,
  exploreCrashes,
  type ExploreOptions,
  type Invariant,
  type OpenInWorld,
  type Side,
  type Stage,
  type Workload,
  WORKLOADS,
  type World,
} from './testkit/crashExplorer.ts';
export {
  checkLinearizable,
  type Operation,
  type SequentialModel,
  type Verdict,
} from './testkit/linearizability.ts';
export {
  ReferenceStore,
  ReferenceTransaction,
  type ReferenceWorld,
} from './testkit/referenceStore.ts';
export {
  type Fault,
  FaultyDisk,
  isSync,
  NthCall,
  type PortCall,
  type PortOperation,
  triesAfter,
} from './testkit/faultyDisk.ts';
export {
  type Damage,
  flippedBit,
  flippedBits,
  swappedSectors,
  zeroedSectors,
} from './testkit/bitFlips.ts';
export {
  type ProxyCut,
  type ProxyDirection,
  type ProxyMode,
  TcpProxy,
  type TcpProxyOptions,
} from './testkit/tcpProxy.ts';
