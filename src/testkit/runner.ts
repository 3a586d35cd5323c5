/** The part of a test runner that the suites use: Jest's globals fit, and so do Vitest's. */
export interface TestRunner {
  readonly describe: (name: string, body: () => void) => void;
  readonly it: TestCase;
  readonly expect: Expect;
  readonly beforeEach: Hook;
  readonly afterEach: Hook;
}

export type TestCase = (name: string, body: () => Promise<void>) => void;
export type Hook = (body: () => Promise<void>) => void;
export type Expect = (value: unknown) => Matchers & { readonly not: Matchers };

export interface Matchers {
  toBe(expected: unknown): void;
  toEqual(expected: unknown): void;
  toMatchObject(expected: object): void;
  toContain(expected: unknown): void;
  toHaveLength(expected: number): void;
  toBeNull(): void;
  toBeGreaterThan(expected: number): void;
  toBeGreaterThanOrEqual(expected: number): void;
}

const NEEDED = ['describe', 'it', 'expect', 'beforeEach', 'afterEach'] as const;

/** The runner that was handed in, or the one whose functions are global while tests are collected. */
export function runnerOf(given: TestRunner | undefined): TestRunner {
  if (given !== undefined) return given;
  const globals = globalThis as Partial<TestRunner>;
  const missing = NEEDED.filter((name) => typeof globals[name] !== 'function');
  if (missing.length > 0) {
    const what = `no global ${missing.join(', ')}`;
    throw new TypeError(`${what}: hand in the functions of your test runner as \`runner\``);
  }
  return globals as TestRunner;
}
