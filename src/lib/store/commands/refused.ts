/** A sequence that gives nothing but the refusal, where it is asked for its first item. */
// oxlint-disable-next-line require-yield -- there is nothing to give
export async function* refused(refusal: unknown): AsyncGenerator<never> {
  throw refusal;
}
