// Runs the steps that the tests ask for: one JSON line in (`{step, at, given}`), one JSON line out (`{saw}` or
// `{failed}`). One process serves a whole test run, so that node and the browser start once. It ends with its input.
import { createInterface } from 'node:readline';

import * as backoffice from './backoffice.mjs';
import { close } from './browser.mjs';
import * as collection from './collection.mjs';
import * as events from './events.mjs';
import * as full from './full_client.mjs';
import * as lite from './lite_client.mjs';
import * as next from './next.mjs';
import * as personal from './personal.mjs';
import * as preview from './preview.mjs';
import * as services from './services.mjs';
import * as storefront from './storefront.mjs';

const ROOMS = { backoffice, collection, events, full, lite, next, personal, preview, services, storefront };
const STEP_MS = 45_000;

async function run({ step, at, given }) {
  const [room, name] = step.split('.');
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(new Error(`${step} took more than ${STEP_MS} ms`)), STEP_MS);
  });
  try {
    return { saw: (await Promise.race([ROOMS[room].steps[name](at, given), late])) ?? null };
  } catch (error) {
    return { failed: error.stack ?? String(error) };
  } finally {
    clearTimeout(timer);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
}
await close();
