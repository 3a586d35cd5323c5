import { randomInt, randomUUID } from 'node:crypto';
import type { PostgresServer, StopSignal } from '../postgres.ts';
import { createDatabaseAt, type Template, type TestDatabase, untilItAnswers } from './databases.ts';
import {
  type EngineContainer,
  loadTestcontainers,
  type StartedContainer,
  type Testcontainers,
} from './testcontainers.ts';

const IMAGE = 'postgres:14';
/** Of this machine: one that the engine chose would be another one after a restart. */
const PORTS = [20_000, 32_000] as const;
const START_MS = 60_000;

/** A server in a container, which the package removes when this process has ended. */
export class ContainerServer implements PostgresServer {
  readonly url: string;
  readonly #started: StartedContainer;
  readonly #container: EngineContainer;
  #isStopped = false;

  private constructor(url: string, started: StartedContainer, container: EngineContainer) {
    this.url = url;
    this.#started = started;
    this.#container = container;
  }

  /** `undefined` where there is no engine, or no package to speak to it. */
  static async start(
    settings: Readonly<Record<string, string>>,
  ): Promise<ContainerServer | undefined> {
    const loaded = await loadTestcontainers();
    return loaded === undefined ? undefined : ContainerServer.#startIn(loaded, settings);
  }

  static async #startIn(
    { GenericContainer, getContainerRuntimeClient }: Testcontainers,
    settings: Readonly<Record<string, string>>,
  ): Promise<ContainerServer> {
    const [password, port] = [randomUUID(), randomInt(...PORTS)];
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const started = await new GenericContainer(IMAGE)
      .withEnvironment({ POSTGRES_PASSWORD: password, POSTGRES_INITDB_ARGS: '--locale=C' })
      .withCommand(['postgres', ...args])
      .withExposedPorts({ container: 5432, host: port })
      .start();
    const { container } = await getContainerRuntimeClient();
    const url = `postgres://postgres:${password}@${started.getHost()}:${port}/postgres`;
    const server = new ContainerServer(url, started, container.getById(started.getId()));
    await untilItAnswers(url, START_MS);
    return server;
  }

  createDatabase(template?: Template): Promise<TestDatabase> {
    return createDatabaseAt(this.url, template);
  }

  async kill(signal: StopSignal): Promise<void> {
    if (signal === 'SIGSTOP') await this.#container.pause();
    else if (signal === 'SIGCONT') await this.#container.unpause();
    else {
      await this.#container.kill({ signal });
      await this.#container.wait();
    }
  }

  async restart(): Promise<void> {
    const { State: state } = await this.#container.inspect();
    if (state.Paused) await this.kill('SIGCONT');
    if (state.Running) await this.kill('SIGINT');
    await this.#container.start();
    await untilItAnswers(this.url, START_MS);
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    await this.#started.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
