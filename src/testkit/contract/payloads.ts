import { LIMITS, type Payload } from '../../index.ts';
import { collect, refusal, RUNNING, type Suite, untyped } from './subject.ts';

const EXACT: Readonly<Record<string, Payload>> = {
  null: null,
  booleans: [true, false],
  numbers: [0, -1, 0.1 + 0.2, 1e308, 5e-324, Number.MAX_SAFE_INTEGER],
  text: 'größe 🧵 \u0000 \u2028 \\ " \n',
  'lone surrogates': ['\ud800', { '\udfff': 'x\udc00' }],
  empty: { list: [], object: {}, text: '' },
  'hostile keys': JSON.parse('{"__proto__":{"a":1},"constructor":2,"prototype":3}') as Payload,
  'what looks like bytes': { $bytes: 'AAAA', b: 1 },
  'what looks wrapped': { $json: { $bytes: 'AAAA' } },
  bytes: new Uint8Array([0, 1, 127, 128, 255]),
  'no bytes': new Uint8Array(),
  'key order': { z: 1, a: 2, m: { y: 1, b: 2 } },
};

export function payloadTests({ describe, it, expect, subject }: Suite): void {
  const exactly = (actual: Payload, wanted: Payload): void => {
    expect(actual).toEqual(wanted);
    expect(actual instanceof Uint8Array).toBe(wanted instanceof Uint8Array);
    // Also in the order of its keys.
    expect(JSON.stringify(actual)).toBe(JSON.stringify(wanted));
  };

  describe('payloads', () => {
    it('come back exactly, in every place that takes one', async () => {
      const { store } = subject;
      for (const [name, input] of Object.entries(EXACT)) {
        const run = await store.runs.create({ id: name, workflow: 'w', input });
        exactly(run.input, input);
        await store.steps.create(name, { id: 's', name: 's', input });
        await store.steps.update(name, 's', RUNNING);
        await store.steps.update(name, 's', { status: 'succeeded', output: input });
        exactly((await store.events.append(name, { type: 'e', payload: input })).payload, input);
        await store.runs.update(name, RUNNING);
        await store.runs.update(name, { status: 'succeeded', output: input });
      }
      const reopened = await subject.throughReopen();
      for (const [name, wanted] of Object.entries(EXACT)) {
        const run = await reopened.runs.get(name);
        const step = await reopened.steps.get(name, 's');
        const [event] = await collect(reopened.events.list(name));
        for (const actual of [run.input, run.output, step.input, step.output]) {
          exactly(actual, wanted);
        }
        exactly(event?.payload ?? null, wanted);
      }
    });

    it('hold metadata exactly too, and pollute nothing', async () => {
      const metadata = { ...(EXACT['hostile keys'] as object), $bytes: 'AAAA', list: [1] };
      await subject.store.runs.create({ id: 'r', workflow: 'w', metadata });
      await subject.store.artifacts.put('r', { name: 'a', body: 'x', metadata });
      const store = await subject.throughReopen();
      exactly((await store.runs.get('r')).metadata, metadata);
      exactly((await store.artifacts.get('r', 'a')).metadata, metadata);
      expect('a' in {}).toBe(false);
    });

    it('of 8 MiB are kept, and one byte more is refused in every place', async () => {
      const { store } = subject;
      const fits = 'x'.repeat(LIMITS.payloadBytesMax - 2);
      await store.runs.create({ id: 'r', workflow: 'w' });
      await store.steps.create('r', { id: 's', name: 's' });
      await store.steps.update('r', 's', RUNNING);
      await store.runs.update('r', RUNNING);
      await store.events.append('r', { type: 'e', payload: fits });
      const over = `${fits}x`;
      const calls = [
        () => store.runs.create({ workflow: 'w', input: over }),
        () =>
          store.runs.create({ workflow: 'w', input: new Uint8Array(LIMITS.payloadBytesMax + 1) }),
        () => store.runs.update('r', { status: 'succeeded', output: over }),
        () => store.steps.create('r', { name: 't', input: over }),
        () => store.steps.update('r', 's', { status: 'succeeded', output: over }),
        () => store.events.append('r', { type: 'e', payload: over }),
      ];
      for (const call of calls) expect((await refusal(call)).code).toBe('LIMIT_EXCEEDED');
      const reopened = await subject.throughReopen();
      const events = await collect(reopened.events.list('r'));
      expect(events.map(({ payload }) => payload === fits)).toEqual([true]);
      expect((await reopened.steps.get('r', 's')).status).toBe('running');
    });

    it('that JSON cannot hold are refused with the path, the same in every place', async () => {
      const { store } = subject;
      await store.runs.create({ id: 'r', workflow: 'w' });
      await store.steps.create('r', { id: 's', name: 's' });
      await store.steps.update('r', 's', RUNNING);
      await store.runs.update('r', RUNNING);
      const before = store.position();
      const bad = untyped({ list: [1, { at: new Date(0) }] });
      const places = {
        'run.input': () => store.runs.create({ workflow: 'w', input: bad }),
        'run.metadata': () => store.runs.create({ workflow: 'w', metadata: bad }),
        'patch.metadata': () => store.runs.update('r', { metadata: bad }),
        'patch.output': () => store.runs.update('r', { status: 'succeeded', output: bad }),
        'step.input': () => store.steps.create('r', { name: 't', input: bad }),
        'event.payload': () => store.events.append('r', { type: 'e', payload: bad }),
        'artifact.metadata': () =>
          store.artifacts.put('r', { name: 'a', body: 'x', metadata: bad }),
      };
      for (const [path, call] of Object.entries(places)) {
        const error = await refusal(call);
        expect(error.code).toBe('INVALID_ARGUMENT');
        expect(error.message).toContain(`${path}.list[1].at holds an instance of Date`);
      }
      const output = await refusal(() =>
        store.steps.update('r', 's', { status: 'succeeded', output: bad }),
      );
      expect(output.message).toContain('patch.output.list[1].at');
      expect(store.position()).toBe(before);
    });
  });
}
