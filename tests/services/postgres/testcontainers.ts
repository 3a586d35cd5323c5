/** What is used of the package `testcontainers`, which a machine may have; it is no dependency. */
export interface Testcontainers {
  readonly GenericContainer: new (image: string) => Recipe;
  /** Rejects where no engine answers. */
  readonly getContainerRuntimeClient: () => Promise<{
    readonly container: { getById(id: string): EngineContainer };
  }>;
}

interface Recipe {
  withEnvironment(environment: Record<string, string>): this;
  withCommand(command: string[]): this;
  withExposedPorts(port: { readonly container: number; readonly host: number }): this;
  start(): Promise<StartedContainer>;
}

export interface StartedContainer {
  getId(): string;
  getHost(): string;
  stop(): Promise<unknown>;
}

/** A container as the engine itself knows it. */
export interface EngineContainer {
  kill(options: { readonly signal: string }): Promise<unknown>;
  pause(): Promise<unknown>;
  unpause(): Promise<unknown>;
  start(): Promise<unknown>;
  wait(): Promise<unknown>;
  inspect(): Promise<{ readonly State: { readonly Running: boolean; readonly Paused: boolean } }>;
}

// Not a literal: the compiler would look for the package.
const NAME: string = 'testcontainers';

/** `undefined` where the package is not installed, or no engine answers. */
export async function loadTestcontainers(): Promise<Testcontainers | undefined> {
  try {
    const loaded = (await import(NAME)) as Testcontainers;
    await loaded.getContainerRuntimeClient();
    return loaded;
  } catch {
    return undefined; // Then the machine's own binaries are next.
  }
}
