import { isStoreError } from '../errors.ts';
import type { Transaction } from '../store/contract.ts';
import { type Catalog, catalogOf, type PublishedVersion, toMetadata } from './catalog.ts';
import type { Changed } from './changes.ts';
import { CONTENT_TYPE, type EncodedContent } from './content.ts';
import { eventOf } from './history.ts';
import { REGISTRY_WORKFLOW, runIdOf } from './names.ts';

/** `undefined` where nothing was published under that name yet. */
export async function findCatalog(tx: Transaction, runId: string): Promise<Catalog | undefined> {
  try {
    return catalogOf(await tx.runs.get(runId));
  } catch (error) {
    if (isStoreError(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

/**
 * `blocked`, because it is never executed: no worker takes it, nothing looks interrupted, and whoever
 * clears away runs that have ended leaves it alone.
 */
export async function createDefinition(tx: Transaction, catalog: Catalog): Promise<void> {
  const { name, kind } = catalog;
  const id = runIdOf(name);
  const metadata = toMetadata(catalog);
  await tx.runs.create({ id, workflow: REGISTRY_WORKFLOW, tags: { kind }, metadata });
  await tx.runs.update(id, { status: 'running' });
  await tx.runs.update(id, { status: 'blocked', reason: 'a definition, which is not executed' });
}

export async function putContent(
  tx: Transaction,
  name: string,
  version: string,
  { body, checksum }: EncodedContent,
): Promise<Pick<PublishedVersion, 'checksum' | 'artifact' | 'publishedAt'>> {
  const artifact = { name: version, mediaType: CONTENT_TYPE, body };
  const { version: number, createdAt } = await tx.artifacts.put(runIdOf(name), artifact);
  // Neither it nor the run of the definition goes by a slip.
  await tx.artifacts.update(runIdOf(name), version, { hold: 'published' });
  return { checksum, artifact: number, publishedAt: createdAt.toISOString() };
}

/** Everything of a change in the transaction, or nothing where nothing changes. */
export async function writeChange(
  tx: Transaction,
  { catalog, records }: Changed,
): Promise<Catalog> {
  if (records.length === 0) return catalog;
  const runId = runIdOf(catalog.name);
  await tx.runs.update(runId, { metadata: toMetadata(catalog) });
  for (const record of records) await tx.events.append(runId, eventOf(record));
  return catalog;
}
