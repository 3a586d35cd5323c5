import type { Operation } from '../linearizability.ts';
import type { Explanation } from './search.ts';

/** One operation a line, in order of calls; those of the longest order carry their place in it. */
export function describeFailure<Input, Output>(
  prefix: readonly Operation<Input, Output>[],
  { order, state }: Explanation<Input, Output>,
): string {
  const places = new Map(order.map((operation, n) => [operation, n + 1]));
  const lines = prefix
    .toSorted((a, b) => a.call - b.call)
    .map((operation) => {
      const place = places.get(operation)?.toString() ?? '-';
      const time = `${operation.call}–${operation.return === Infinity ? '…' : operation.return}`;
      return `${place.padStart(4)}  ${time.padEnd(10)} ${inWords(operation)}`;
    });
  return [
    `no order explains these ${prefix.length} operations (place in the longest order, time, call):`,
    ...lines,
    `after the longest order, of ${order.length}, the state is ${state}`,
  ].join('\n');
}

function inWords<Input, Output>({ input, output }: Operation<Input, Output>): string {
  const answer = output === undefined ? 'unknown' : JSON.stringify(output);
  return `${JSON.stringify(input)} → ${answer}`;
}
