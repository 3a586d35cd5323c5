/**
 * Runs that are bound together by commits over several of them, as numbered groups (a disjoint-set
 * forest: Galler and Fischer, "An improved equivalence algorithm", 1964).
 */
export class Groups {
  readonly #parent = new Map<string, string>();
  readonly #numbers = new Map<string, number>();

  bind(runIds: readonly string[]): void {
    const [first = '', ...others] = runIds;
    const root = this.#rootOf(first);
    for (const id of others) this.#parent.set(this.#rootOf(id), this.#rootOf(root));
  }

  /** Only once everything is bound. */
  of(runId: string): number {
    const root = this.#rootOf(runId);
    let number = this.#numbers.get(root);
    if (number === undefined) this.#numbers.set(root, (number = this.#numbers.size));
    return number;
  }

  *members(): Generator<readonly [runId: string, group: number], void, undefined> {
    for (const runId of this.#parent.keys()) yield [runId, this.of(runId)];
  }

  #rootOf(runId: string): string {
    let id = runId;
    for (;;) {
      const parent = this.#parent.get(id);
      if (parent === undefined) this.#parent.set(id, id);
      if (parent === undefined || parent === id) return id;
      id = parent;
    }
  }
}
