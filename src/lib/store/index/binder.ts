/** Values of a statement, bound to `$1`, `$2`… */
export class Binder {
  readonly params: (string | number)[] = [];

  /** The placeholder that stands for `value`. */
  bind(value: string | number): string {
    this.params.push(value);
    return `$${this.params.length}`;
  }

  /** The placeholders of a list, with commas in between. */
  all(values: readonly (string | number)[]): string {
    return values.map((value) => this.bind(value)).join(', ');
  }
}
