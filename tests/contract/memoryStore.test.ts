import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openStore } from '../../src/index.ts';
import { describeStoreContract } from '../../src/testkit.ts';

describeStoreContract('memory:', {
  open: () => openStore('memory:'),
  destroy: async () => undefined,
  reopens: false,
  runner: { afterEach, beforeEach, describe, expect, it },
});
