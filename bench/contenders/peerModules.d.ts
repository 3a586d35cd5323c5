// The part of the peers that is measured. Declared here, so that types are checked without
// installing them: only `npm run bench` does that.
declare module '@workflow/world-local' {
  interface WorldEvent {
    readonly eventType: string;
    readonly specVersion: number;
    readonly correlationId?: string;
    readonly eventData?: Readonly<Record<string, unknown>>;
  }

  export interface World {
    readonly specVersion: number;
    readonly events: {
      create(
        runId: string | null,
        event: WorldEvent,
      ): Promise<{ readonly run?: { readonly runId: string } }>;
    };
    start(): Promise<void>;
    close(): Promise<void>;
  }

  export function createLocalWorld(options: {
    readonly dataDir: string;
    readonly recoverActiveRuns: boolean;
  }): World;
}

declare module '@workflow/world-postgres' {
  import type { World } from '@workflow/world-local';

  export function createWorld(options: { readonly connectionString: string }): World;
}
