import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  artifactFromJson,
  artifactToText,
  changeFromJson,
  changeToText,
  eventFromJson,
  eventToText,
  runFromJson,
  runToText,
  stepFromJson,
  stepToText,
} from '../../../src/lib/model/text.ts';
import { artifactRow, change, eventRow, runRow, stepRow } from './arbitraries.ts';

const parse = (text: string): unknown => JSON.parse(text) as unknown;

describe('what is written as text is read back the same', () => {
  test('every change, whatever its type', () => {
    fc.assert(
      fc.property(change, (value) => {
        const text = changeToText(value);
        expect(text).not.toContain('\n');
        expect(changeFromJson(parse(text))).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  test('every row', () => {
    fc.assert(
      fc.property(runRow, stepRow, eventRow, artifactRow, (run, step, event, artifact) => {
        expect(runFromJson(parse(runToText(run)))).toEqual(run);
        expect(stepFromJson(parse(stepToText(step)))).toEqual(step);
        expect(eventFromJson(parse(eventToText(event)))).toEqual(event);
        expect(artifactFromJson(parse(artifactToText(artifact)))).toEqual(artifact);
      }),
    );
  });

  test('a `set` keeps a field that returns to its default', () => {
    const value = {
      type: 'run.updated',
      runId: 'r',
      version: 2,
      set: { tags: {}, priority: 0, output: 'null', attempts: [], error: null },
    } as const;
    expect(changeFromJson(parse(changeToText(value)))).toEqual(value);
  });

  test('a type that this version does not know is undefined', () => {
    expect(changeFromJson({ type: 'run.teleported', runId: 'r' })).toBeUndefined();
  });
});
