import { StoreError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { uuidv7 } from '../../model/ids.ts';
import type { Identity } from '../commands/cursor.ts';
import type { FileOperationService } from './FileOperationService.ts';
import type { Layout } from './layout.ts';
import { openSealed, sealedText } from './sealedFile.ts';

/** Raised when a version writes what an older one could not read. */
const FORMAT = 1;

interface StoreFile extends Identity {
  readonly format: number;
  readonly created: string;
}

export interface IdentityParts {
  readonly files: FileOperationService;
  readonly layout: Layout;
  readonly clock: Clock;
  readonly random: Random;
  /** Make the store when it is not there. */
  readonly create: boolean;
}

/** Reads `store.json`, or makes it: the first file of a store, and the last that may be missing. */
export async function openIdentity(parts: IdentityParts): Promise<Identity> {
  const { files, layout, create } = parts;
  const bytes = await files.readIfPresent(layout.identity);
  if (bytes !== undefined) return parse(layout.identity, bytes);
  if ((await files.list(layout.journal)).length > 0) {
    const message = `${layout.identity} is missing beside a journal: restore it from a backup`;
    throw new StoreError('DATA_CORRUPT', message);
  }
  if (!create) throw new StoreError('NOT_FOUND', `there is no store in ${layout.root}`);
  return createIdentity(parts);
}

async function createIdentity({ files, layout, clock, random }: IdentityParts): Promise<Identity> {
  const now = clock.now();
  const store: StoreFile = {
    format: FORMAT,
    storeId: uuidv7(now, random.bytes(16)),
    timeline: 1,
    created: new Date(now).toISOString(),
  };
  await files.writeAtomic(layout.identity, sealedText(store));
  return { storeId: store.storeId, timeline: store.timeline };
}

/** The same store, going on in another history: cursors of the old one no longer attach. */
export async function changeTimeline(
  files: FileOperationService,
  layout: Layout,
  identity: Identity,
): Promise<void> {
  const before = read(layout.identity, await files.read(layout.identity));
  await files.writeAtomic(layout.identity, sealedText({ ...before, timeline: identity.timeline }));
}

const FIELDS: ReadonlySet<string> = new Set(['format', 'storeId', 'timeline', 'created']);

/** Its fields, without their checksum. Files of before there was one are taken as they are. */
function read(path: string, bytes: Uint8Array): Partial<StoreFile> {
  const sealed = openSealed(bytes);
  if (sealed !== undefined) return sealed;
  let store: Partial<StoreFile> | null;
  try {
    store = JSON.parse(Buffer.from(bytes).toString()) as Partial<StoreFile> | null;
  } catch (cause) {
    throw damaged(path, cause);
  }
  const isOlder = Object.keys(store ?? {}).every((field) => FIELDS.has(field));
  // A newer version may have other fields, and another checksum.
  const isNewer = Number(store?.format) > FORMAT;
  if (store !== null && (isOlder || isNewer)) return store;
  throw damaged(path);
}

function parse(path: string, bytes: Uint8Array): Identity {
  const { format, storeId, timeline } = read(path, bytes);
  if (format !== undefined && format > FORMAT) {
    const message = `${path} says format ${format}; this version reads up to ${FORMAT}`;
    throw new StoreError('UNSUPPORTED_FORMAT', message);
  }
  if (typeof storeId !== 'string' || !Number.isSafeInteger(timeline) || format !== FORMAT) {
    throw damaged(path);
  }
  return { storeId, timeline: timeline as number };
}

function damaged(path: string, cause?: unknown): StoreError {
  const message = `${path} is damaged: restore it from a backup`;
  return new StoreError('DATA_CORRUPT', message, { id: path, cause });
}
