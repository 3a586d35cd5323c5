import { describeStoreContract } from '../../src/testkit.ts';
import { storesByName } from '../fixtures/storesByName.ts';

describeStoreContract('postgres:', storesByName('postgres'));
