import { resolve } from 'node:path';
import type { JsonObject } from '../../index.ts';
import type { Call } from '../call.ts';
import { messageOf, systemCode } from '../errorFacts.ts';
import { CommandError, EXIT } from '../failure.ts';
import { readText } from '../recording/files.ts';

/** A file with a JSON object in it: a manifest, or a schema. */
export async function readJsonObject(call: Call, file: string): Promise<JsonObject> {
  const value = parse(await read(call, file), file);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as JsonObject;
  }
  throw new CommandError(`${file} holds no JSON object`, 'write it as { … }');
}

async function read(call: Call, file: string): Promise<string> {
  const { fileSystem, cwd } = call.context;
  try {
    return await readText(fileSystem, resolve(cwd, file));
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    const isAbsent = code === 'ENOENT';
    const message = isAbsent ? `there is no file ${file}` : `${file} cannot be read: ${code}`;
    const remedy = 'check the path, and that it is a file that you may read';
    throw new CommandError(message, remedy, isAbsent ? EXIT.notFound : EXIT.usage);
  }
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = `${file} is not JSON: ${messageOf(error)}`;
    throw new CommandError(message, 'correct it at that place');
  }
}
