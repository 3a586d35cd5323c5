import { StoreError } from '../../errors.ts';
import { checkInteger, checkObject, checkOneOf } from '../../model/check.ts';
import type { Artifact, ArtifactVersion } from '../../model/entities.ts';
import type { Lineage, LineageNode, LineageOptions } from '../contract.ts';

const DIRECTIONS = ['ancestors', 'descendants', 'both'] as const;
export const LINEAGE_OPTIONS: ReadonlySet<string> = new Set<keyof LineageOptions>([
  'version',
  'alias',
  'direction',
  'depth',
]);
const NODES_MAX = 10_000;

/** How lineage finds its way. */
export interface LineageWays {
  /** Deleted ones, too; `undefined` for what is not there at all. */
  readonly find: (version: ArtifactVersion) => Promise<Artifact | undefined>;
  readonly children: (version: ArtifactVersion) => Promise<readonly Artifact[]>;
}

/** Breadth first from one version, up, down, or both. What was made comes after: there are no cycles. */
export async function lineageOf(
  root: Artifact,
  options: LineageOptions,
  ways: LineageWays,
): Promise<Lineage> {
  const { direction = 'both', depth = Infinity } = checkObject(options, 'options', LINEAGE_OPTIONS);
  checkOneOf(direction, 'options.direction', DIRECTIONS);
  if (depth !== Infinity) checkInteger(depth, 'options.depth', 0, NODES_MAX);
  const walk = new Walk(root, ways);
  if (direction !== 'descendants') await walk.up(depth);
  if (direction !== 'ancestors') await walk.down(depth);
  return walk.lineage;
}

class Walk {
  readonly #root: Artifact;
  readonly #ways: LineageWays;
  readonly #nodes = new Map<string, LineageNode>();
  readonly #edges = new Map<string, Lineage['edges'][number]>();

  constructor(root: Artifact, ways: LineageWays) {
    this.#root = root;
    this.#ways = ways;
    this.#add(versionOf(root), root);
  }

  get lineage(): Lineage {
    const root = versionOf(this.#root);
    return { root, nodes: [...this.#nodes.values()], edges: [...this.#edges.values()] };
  }

  async up(depth: number): Promise<void> {
    let level: readonly Artifact[] = [this.#root];
    for (let n = 0; n < depth && level.length > 0; n++) {
      const next: Artifact[] = [];
      for (const child of level) {
        for (const parent of child.parents) {
          this.#link(parent, versionOf(child));
          if (this.#nodes.has(keyOf(parent))) continue;
          const artifact = await this.#ways.find(parent);
          this.#add(parent, artifact ?? null);
          if (artifact !== undefined) next.push(artifact);
        }
      }
      level = next;
    }
  }

  async down(depth: number): Promise<void> {
    let level: readonly Artifact[] = [this.#root];
    for (let n = 0; n < depth && level.length > 0; n++) {
      const next: Artifact[] = [];
      for (const parent of level) {
        for (const child of await this.#ways.children(versionOf(parent))) {
          this.#link(versionOf(parent), versionOf(child));
          if (this.#nodes.has(keyOf(child))) continue;
          this.#add(versionOf(child), child);
          next.push(child);
        }
      }
      level = next;
    }
  }

  #link(from: ArtifactVersion, to: ArtifactVersion): void {
    this.#edges.set(`${keyOf(from)} ${keyOf(to)}`, { from: versionOf(from), to });
  }

  #add(version: ArtifactVersion, artifact: Artifact | null): void {
    if (this.#nodes.size >= NODES_MAX) {
      const message = `more than ${NODES_MAX} artifacts belong to it: ask for less depth`;
      throw new StoreError('LIMIT_EXCEEDED', message);
    }
    this.#nodes.set(keyOf(version), { ...versionOf(version), artifact });
  }
}

function versionOf({ runId, name, version }: ArtifactVersion): ArtifactVersion {
  return { runId, name, version };
}

function keyOf({ runId, name, version }: ArtifactVersion): string {
  return JSON.stringify([runId, name, version]);
}
