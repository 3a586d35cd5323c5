/** What an error says. Several addresses that all refuse come as one error without a message. */
export function causeText(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('message' in error)) return String(error);
  if (error.message === '' && 'errors' in error && Array.isArray(error.errors)) {
    return error.errors.map(causeText).join('; ');
  }
  return String(error.message);
}
