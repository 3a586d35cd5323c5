// The part of the peers that is measured. Declared here, so that types are checked without
// installing them: only `npm run bench` does that.
declare module '@workflow/world-local' {
  interface WorldEvent {
    readonly eventType: string;
    readonly specVersion: number;
    readonly correlationId?: string;
    readonly eventData?: Readonly<Record<string, unknown>>;
  }

  interface LocalWorld {
    readonly specVersion: number;
    readonly events: {
      create(
        runId: string | null,
        event: WorldEvent,
      ): Promise<{ readonly run?: { readonly runId: string } }>;
    };
    readonly runs: {
      list(options: {
        readonly pagination: { readonly limit: number; readonly sortOrder: 'desc' };
      }): Promise<{ readonly data: readonly unknown[] }>;
    };
    start(): Promise<void>;
    close(): Promise<void>;
  }

  export function createLocalWorld(options: {
    readonly dataDir: string;
    readonly recoverActiveRuns: boolean;
  }): LocalWorld;
}
