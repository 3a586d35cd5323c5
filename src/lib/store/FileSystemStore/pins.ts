import { StoreError } from '../../errors.ts';
import { checkGiven, checkInteger, checkName } from '../../model/check.ts';
import type { Pin, Pins } from '../contract.ts';
import { fromCursor, type Identity, toCursor } from '../commands/cursor.ts';
import type { FileOperationService } from './FileOperationService.ts';
import type { Journal } from './journal.ts';
import type { Layout } from './layout.ts';
import { openSealed, sealedText } from './sealedFile.ts';

interface PinRecord {
  readonly name: string;
  readonly position: number;
  readonly bytesMax: number;
  readonly broken: boolean;
  /** The history that the position belongs to; absent in older files: that of the store. */
  readonly timeline?: number | undefined;
}

const NEW_PIN: ReadonlySet<string> = new Set<keyof NewPin>(['name', 'after', 'bytesMax']);
type NewPin = Parameters<Pins['create']>[0];

/** What a pin may hold back unless it says so: 1 GiB. */
const BYTES_MAX_DEFAULT = 1024 ** 3;

export interface PinFileParts {
  readonly files: FileOperationService;
  readonly layout: Layout;
  readonly identity: Identity;
  readonly journal: Journal;
  readonly refuseClosed: () => void;
  readonly refuseUnwritable: () => void;
}

/** The claims on the log, in one small file that is replaced as a whole (W5). */
export class PinFile implements Pins {
  readonly #parts: PinFileParts;
  #pins: ReadonlyMap<string, PinRecord>;
  /** What is being written: it holds on to the log already. */
  #storing: readonly PinRecord[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(parts: PinFileParts, pins: readonly PinRecord[]) {
    this.#parts = parts;
    this.#pins = new Map(pins.map((pin) => [pin.name, pin]));
  }

  static async open(parts: PinFileParts): Promise<PinFile> {
    const bytes = await parts.files.readIfPresent(parts.layout.pins);
    if (bytes === undefined) return new PinFile(parts, []);
    const { timeline } = parts.identity;
    const pins = parse(parts.layout.pins, bytes).map((pin) => ({
      ...pin,
      timeline: pin.timeline ?? timeline,
      // What it held on to is not the log of this store any more.
      broken: pin.broken || (pin.timeline ?? timeline) !== timeline,
    }));
    return new PinFile(parts, pins);
  }

  async create(pin: NewPin): Promise<Pin> {
    checkGiven(pin, 'pin', NEW_PIN);
    const { journal, identity } = this.#parts;
    const { timeline } = identity;
    const name = checkName(pin.name, 'pin.name');
    const bytesMax = checkInteger(
      pin.bytesMax ?? BYTES_MAX_DEFAULT,
      'pin.bytesMax',
      1,
      Number.MAX_SAFE_INTEGER,
    );
    return this.#change((pins) => {
      if (pins.has(name)) throw new StoreError('ALREADY_EXISTS', `pin ${name} exists already`);
      const { durable } = journal;
      const position = pin.after === undefined ? durable : fromCursor(identity, pin.after, durable);
      journal.log.placeAfter(position);
      return { name, position, bytesMax, broken: false, timeline };
    });
  }

  async advance(name: string, after: string): Promise<Pin> {
    const { journal, identity } = this.#parts;
    return this.#change((pins) => {
      const pin = required(pins, name);
      const position = fromCursor(identity, after, journal.durable);
      if (pin.broken) journal.log.placeAfter(position);
      const { timeline } = identity;
      const least = pin.timeline === timeline ? pin.position : 0;
      return { ...pin, position: Math.max(least, position), broken: false, timeline };
    });
  }

  async release(name: string): Promise<void> {
    await this.#turned(async () => {
      this.#parts.refuseUnwritable();
      required(this.#pins, name);
      await this.#store([...this.#pins.values()].filter((pin) => pin.name !== name));
    });
  }

  async list(): Promise<readonly Pin[]> {
    this.#parts.refuseClosed();
    return [...this.#pins.values()].map((pin) => this.#toPin(pin));
  }

  /** The lowest position that an unbroken pin holds on to. */
  get lowest(): number {
    let lowest = Infinity;
    for (const { position, broken } of [...this.#pins.values(), ...this.#storing]) {
      if (!broken) lowest = Math.min(lowest, position);
    }
    return lowest;
  }

  /** Breaks the pins that hold back more than they may. `heldBytes`: log after a position. */
  async breakOverfull(heldBytes: (position: number) => number): Promise<void> {
    const isOver = (pin: PinRecord) => !pin.broken && heldBytes(pin.position) > pin.bytesMax;
    if (![...this.#pins.values()].some(isOver)) return;
    await this.#turned(() =>
      this.#store(
        [...this.#pins.values()].map((pin) => (isOver(pin) ? { ...pin, broken: true } : pin)),
      ),
    );
  }

  #change(next: (pins: ReadonlyMap<string, PinRecord>) => PinRecord): Promise<Pin> {
    return this.#turned(async () => {
      this.#parts.refuseUnwritable();
      const pin = next(this.#pins);
      await this.#store(
        [...this.#pins.values()].filter(({ name }) => name !== pin.name).concat(pin),
      );
      return this.#toPin(pin);
    });
  }

  /** One after the other: each replaces the whole file. */
  #turned<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn;
    return turn;
  }

  async #store(pins: readonly PinRecord[]): Promise<void> {
    const { files, layout } = this.#parts;
    this.#storing = pins;
    try {
      await files.writeAtomic(layout.pins, sealedText({ pins }));
      this.#pins = new Map(pins.map((pin) => [pin.name, pin]));
    } finally {
      this.#storing = [];
    }
  }

  #toPin({ timeline, ...pin }: PinRecord): Pin {
    const { identity } = this.#parts;
    const history = { ...identity, timeline: timeline ?? identity.timeline };
    return { ...pin, position: toCursor(history, pin.position) };
  }
}

/** Files of before there was a checksum are a list alone. */
function parse(path: string, bytes: Uint8Array): readonly PinRecord[] {
  try {
    const sealed = openSealed(bytes);
    const pins: unknown = sealed ? sealed['pins'] : JSON.parse(Buffer.from(bytes).toString());
    if (Array.isArray(pins) && pins.every(isPinRecord)) return pins;
  } catch (cause) {
    throw new StoreError('DATA_CORRUPT', `${path} is damaged`, { id: path, cause });
  }
  throw new StoreError('DATA_CORRUPT', `${path} is damaged: it is no list of pins`, { id: path });
}

function isPinRecord(value: unknown): value is PinRecord {
  const isCount = (it: unknown, min: number) => Number.isSafeInteger(it) && Number(it) >= min;
  const { name, position, bytesMax, broken, timeline } = (value ?? {}) as Partial<PinRecord>;
  return (
    typeof name === 'string' &&
    name !== '' &&
    isCount(position, 0) &&
    isCount(bytesMax, 1) &&
    typeof broken === 'boolean' &&
    (timeline === undefined || isCount(timeline, 1))
  );
}

function required(pins: ReadonlyMap<string, PinRecord>, name: string): PinRecord {
  const pin = pins.get(name);
  if (pin !== undefined) return pin;
  throw new StoreError('NOT_FOUND', `there is no pin ${name}`, { id: name });
}
