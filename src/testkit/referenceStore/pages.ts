import { LIMITS, type Page, type PageOptions } from '../../index.ts';
import { refusal } from './refusals.ts';

/** By what a list is ordered, first things first. */
export type Place = readonly (string | number)[];

/** The page after `cursor` of the items in the order of their places, or against it. */
export function pageOf<T>(
  items: readonly T[],
  placeOf: (item: T) => Place,
  { limit = LIMITS.listDefault, cursor }: PageOptions,
  direction: 1 | -1 = 1,
): Page<T> {
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= LIMITS.listMax)) {
    throw refusal('INVALID_ARGUMENT', `a page has 1 to ${LIMITS.listMax} items, not ${limit}`);
  }
  const from = cursor === undefined ? undefined : (JSON.parse(cursor) as Place);
  const rest = items
    .map((item) => ({ item, place: placeOf(item) }))
    .toSorted((a, b) => direction * compare(a.place, b.place))
    .filter(({ place }) => from === undefined || direction * compare(place, from) > 0);
  const page = rest.slice(0, limit);
  const next = rest.length > limit ? JSON.stringify(page.at(-1)?.place) : null;
  return { items: page.map(({ item }) => item), next };
}

function compare(a: Place, b: Place): number {
  for (const [n, part] of a.entries()) {
    const other = b[n] ?? '';
    if (part !== other) return part < other ? -1 : 1;
  }
  return 0;
}
