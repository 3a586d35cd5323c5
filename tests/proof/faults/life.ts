import { type ErrorCode, isStoreError, type Store } from '../../../src/index.ts';
import { NthCall, type PortCall } from '../../../src/testkit/faultyDisk.ts';
import { type DiskImage, keyOf } from '../../../src/testkit/simulatedDisk.ts';
import { type Contents, contentsOf, type Effect, effectIn, PROBE, unreadRuns } from './contents.ts';
import type { Operation, Round, Scene } from './operation.ts';
import { checkOutcome, checkValue, type Outcome, outcomeOf, type Promised } from './outcome.ts';
import { refuseUnhandled, within } from './watchdog.ts';
import { type Mutant, type PlaceName, World } from './world.ts';

/** An operation, and where it is done. */
export interface Setting {
  readonly operation: Operation;
  readonly place: PlaceName;
  readonly image: DiskImage;
  readonly round: Round;
  readonly seed: number;
  readonly mutant: Mutant;
  readonly counts: (call: PortCall) => boolean;
  /** Disks, and what was promised of them, that were found to be right: once is enough. */
  readonly known: Set<string> | undefined;
}

export interface Trouble {
  readonly fault: string;
  readonly persistent: boolean;
  readonly nth: number;
}

/** What the operation does when nothing fails. */
export interface Healthy {
  readonly before: Contents;
  readonly after: Contents;
  readonly value: unknown;
  /** Those of the operation alone. */
  readonly calls: readonly PortCall[];
}

export async function healthyLife(setting: Setting): Promise<Healthy> {
  const { operation } = setting;
  const whole = { ...setting, mutant: {} };
  const begun = await arranged(whole);
  // Looking at it would bring into memory what the operation shall read: so not in the same life.
  const before = begun.store === undefined ? undefined : await contentsOf(begun.store);
  await begun.store?.close();
  begun.world.remove();

  const scene = await arranged(whole);
  const { world } = scene;
  const from = world.disk.calls.length;
  const value = await operation.act(scene);
  await world.settled();
  const calls = world.disk.calls.slice(from);
  scene.store ??= await world.open();
  const after = await contentsOf(scene.store);
  await scene.store.close();
  world.remove();
  if (setting.round === 1 && operation.reached?.(calls) === false) {
    throw new Error(`${operation.name} does nothing`);
  }
  return { before: before ?? after, after, value, calls: calls.filter(setting.counts) };
}

async function arranged(setting: Setting): Promise<Scene> {
  const { operation, round } = setting;
  const world = await World.make(setting.place, setting);
  const opened = operation.kind !== 'opens' && operation.kind !== 'repairs';
  const scene: Scene = { world, round, store: opened ? await world.open() : undefined };
  await operation.arrange?.(scene);
  return scene;
}

/**
 * Does the operation while calls of the port fail, and looks at what becomes of the store: at once,
 * and reopened twice. Throws what is wrong. Returns whether there was a call to fail, and the disk
 * as a kill at the end would leave it.
 */
export async function troubledLife(
  setting: Setting,
  trouble: Trouble,
  healthy: Healthy,
): Promise<{ readonly struck: boolean; readonly image?: DiskImage | undefined }> {
  const scene = await arranged(setting);
  const life = new Life(scene, setting.operation, healthy);
  try {
    const nth = new NthCall({ ...trouble, counts: setting.counts });
    scene.world.disk.fault = nth.decide;
    const act = () => setting.operation.act(scene);
    const outcome = await within('the operation', outcomeOf(act));
    await within('what follows', scene.world.settled());
    refuseUnhandled();
    const { struck } = nth;
    if (struck === undefined) return await life.undisturbed(outcome);
    life.promised = checkOutcome(outcome, setting.operation, trouble.fault, struck, healthy.value);
    await life.goOn(trouble);
    const world = await life.end(setting, trouble);
    const key = `${life.promised.reopened} ${keyOf(await world.image())}`;
    if (setting.known?.has(key) === true) return { struck: true };
    const image = await life.reopenTwice(world);
    refuseUnhandled();
    setting.known?.add(key);
    return { struck: true, image };
  } finally {
    life.remove();
  }
}

class Life {
  promised: Promised = { now: 'none', reopened: 'none' };
  readonly #scene: Scene;
  readonly #operation: Operation;
  readonly #healthy: Healthy;
  readonly #probes: string[] = [];
  readonly #worlds: World[];

  constructor(scene: Scene, operation: Operation, healthy: Healthy) {
    this.#scene = scene;
    this.#operation = operation;
    this.#healthy = healthy;
    this.#worlds = [scene.world];
  }

  /** No call was left to fail. */
  async undisturbed(outcome: Outcome): Promise<{ struck: false }> {
    if ('refusal' in outcome) throw outcome.refusal;
    checkValue(outcome.value, this.#healthy.value);
    this.#scene.world.disk.fault = () => undefined;
    await this.#scene.store?.close();
    return { struck: false };
  }

  /** With the fault gone: the store keeps its promise and works, or is poisoned and refuses. */
  async goOn(trouble: Trouble): Promise<void> {
    if (endsUnderFault(trouble)) return;
    const { world, store } = this.#scene;
    world.disk.fault = () => undefined;
    if (store === undefined) return;
    const { before } = this.#healthy;
    const hidden = this.#operation.kind === 'opens' ? await unreadRuns(store, before) : undefined;
    await this.#expectEffect(store, this.promised.now, hidden);
    if (store.status === 'poisoned') return refused(store, 'STORE_POISONED');
    if (this.#operation.readOnly === true) return refused(store, 'STORE_READ_ONLY');
    if (!trouble.persistent && this.promised.now === 'absent') await this.#doAgain(store);
    await this.#probe(store);
    world.clock.advance(10);
    await within('what follows', world.settled());
  }

  /** What was refused can be done now. */
  async #doAgain(store: Store): Promise<void> {
    const again = await within('the second try', this.#operation.act(this.#scene));
    checkValue(again, this.#healthy.value);
    this.promised = { now: 'there', reopened: 'there' };
    await this.#expectEffect(store, 'there');
  }

  /** The store is closed, on a healthy disk or a failing one, or the process is killed. */
  async end(setting: Setting, trouble: Trouble): Promise<World> {
    const { world, store } = this.#scene;
    this.#scene.store = undefined;
    if (trouble.persistent && !endsUnderFault(trouble)) return this.#kill(setting, store);
    if (store !== undefined) {
      const closed = await within(
        'close',
        outcomeOf(() => store.close()),
      );
      if (!trouble.persistent && 'refusal' in closed) throw closed.refusal;
    }
    expectNoHandles(world);
    world.disk.fault = () => undefined;
    return world;
  }

  async #kill(setting: Setting, store: Store | undefined): Promise<World> {
    const image = await this.#scene.world.image();
    await store?.close();
    expectNoHandles(this.#scene.world);
    const next = await World.make(setting.place, { ...setting, image, seed: setting.seed + 1 });
    this.#worlds.push(next);
    return next;
  }

  async reopenTwice(world: World): Promise<DiskImage | undefined> {
    let image: DiskImage | undefined;
    for (let times = 1; times <= 2; times++) {
      if (this.#operation.kind === 'repairs') await within('repair', world.repair());
      const store = await within('reopening', world.open());
      const effect = await this.#expectEffect(store, this.promised.reopened);
      this.promised = { now: effect, reopened: effect };
      for (const id of this.#probes) await store.events.list(id);
      const { findings } = await store.verify();
      if (findings.length > 0) throw new Error(`verify finds ${JSON.stringify(findings)}`);
      await this.#probe(store);
      if (times === 2 && this.#scene.round === 1) image = await world.image();
      await within('close', store.close());
      expectNoHandles(world);
    }
    return image;
  }

  remove(): void {
    for (const world of this.#worlds) world.remove();
  }

  async #expectEffect(
    store: Store,
    promised: Promised['reopened'],
    hidden: Contents = new Map(),
  ): Promise<Effect> {
    const { before, after } = this.#healthy;
    const found = await within('reading', contentsOf(store));
    const effect = effectIn(new Map([...found, ...hidden]), before, after);
    if (effect === 'none' || promised === 'either' || effect === promised) return effect;
    throw new Error(`its effect is ${effect}, but was promised to be ${promised}`);
  }

  /** A write and a read. */
  async #probe(store: Store): Promise<void> {
    const id = `${PROBE}-${this.#scene.round}-${this.#probes.length}`;
    await within('a write', store.runs.create({ id, workflow: 'probe' }));
    await within('a write', store.events.append(id, { type: 'probe' }));
    this.#probes.push(id);
    const { items } = await within('a read', Promise.resolve(store.events.list(id)));
    if (items.length !== 1) throw new Error(`${id} has ${items.length} events`);
  }
}

/** Every other one ends while the disk still fails. */
function endsUnderFault({ persistent, nth }: Trouble): boolean {
  return persistent && nth % 2 === 1;
}

async function refused(store: Store, code: ErrorCode): Promise<void> {
  const create = () => store.runs.create({ id: `${PROBE}-refused`, workflow: 'probe' });
  const outcome = await within('a write', outcomeOf(create));
  if ('refusal' in outcome && isStoreError(outcome.refusal, code)) return;
  throw new Error(`a write is not refused with ${code}`);
}

function expectNoHandles({ disk }: World): void {
  if (disk.openHandles !== 0) throw new Error(`${disk.openHandles} handles stay open`);
}
