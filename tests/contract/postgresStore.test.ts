import { openStore } from '../../src/index.ts';
import { describeStoreContract } from '../../src/testkit.ts';
import { sharedPostgres } from '../services/postgres.ts';

const databases = new Map<string, { readonly url: string; drop(): Promise<void> }>();

describeStoreContract('postgres:', {
  async open(name) {
    const known = databases.get(name);
    const database = known ?? (await (await sharedPostgres()).createDatabase());
    databases.set(name, database);
    return openStore(database.url, { migrate: 'auto' });
  },
  async destroy(name) {
    const database = databases.get(name);
    databases.delete(name);
    await database?.drop();
  },
});
