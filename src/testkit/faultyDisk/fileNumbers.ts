/** A name that an open handle was reached by; it follows renames of the file. */
export interface Place {
  path: string;
  readonly file: number;
}

/**
 * Which file a path stands for, as far as calls that passed here tell: a file keeps its number when
 * it is renamed or linked. Renamed folders do not take the paths below them along.
 */
export class FileNumbers {
  readonly #byPath = new Map<string, number>();
  readonly #places = new Set<Place>();
  #last = 0;

  of(path: string): number {
    let file = this.#byPath.get(path);
    if (file === undefined) {
      file = ++this.#last;
      this.#byPath.set(path, file);
    }
    return file;
  }

  opened(path: string): Place {
    const place = { path, file: this.of(path) };
    this.#places.add(place);
    return place;
  }

  closed(place: Place): void {
    this.#places.delete(place);
  }

  renamed(from: string, to: string): void {
    this.linked(from, to);
    this.#byPath.delete(from);
    for (const place of this.#places) if (place.path === from) place.path = to;
  }

  linked(from: string, to: string): void {
    this.#byPath.set(to, this.of(from));
  }

  removed(path: string): void {
    this.#byPath.delete(path);
  }
}
