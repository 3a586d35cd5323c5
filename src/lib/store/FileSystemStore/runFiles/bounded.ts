/** `map` over `items` with at most `width` under way, in order. */
export async function* mapBounded<T, R>(
  items: Iterable<T>,
  width: number,
  map: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const running: Promise<R>[] = [];
  for (const item of items) {
    if (running.length >= width) yield await (running.shift() as Promise<R>);
    const result = map(item);
    // Its failure is thrown when its turn comes; until then nobody is listening.
    result.catch(() => undefined);
    running.push(result);
  }
  for (const result of running) yield await result;
}
