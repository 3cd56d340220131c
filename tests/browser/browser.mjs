// A real browser on the pages of `storefront/`: how a visit begins and ends, when a page has come to rest, and what is on
// the screen. `trouble` holds everything that a browser complains about.
import { chromium } from 'playwright-core';

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-proxy-server',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];
const WAIT_MS = 20_000;
let browser;

export async function close() {
  await browser?.close();
}

export async function visit(at, act, { address = '/storefront/index.html', query = {}, before = () => {} } = {}) {
  return opened(at, async (page) => {
    await page.addInitScript(before);
    const given = { host: `${at.host}:${at.port}`, app: at.appId, key: at.searchKey, ...query };
    await page.goto(`${at.page}${address}?${new URLSearchParams(given)}`);
    return act(page);
  });
}

// An empty page of a visitor who was never here; `options` are those of the browser's context.
export async function opened(at, act, options = {}) {
  browser ??= await chromium.launch({ executablePath: at.browser, args: ARGS });
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, ...options });
  const trouble = [];
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    watch(page, trouble);
    const saw = await act(page);
    return { ...saw, trouble };
  } catch (error) {
    throw new Error([error.stack, ...trouble].join('\n'));
  } finally {
    await context.close();
  }
}

function watch(page, trouble) {
  page.on('console', (line) => ['error', 'warning'].includes(line.type()) && trouble.push(`console: ${line.text()}`));
  page.on('pageerror', (error) => trouble.push(`error: ${error.stack}`));
  page.on('requestfailed', (request) => trouble.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on('response', (answer) => answer.status() >= 400 && trouble.push(`${answer.status()}: ${answer.url()}`));
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (hostname !== '127.0.0.1' && protocol !== 'data:') trouble.push(`left loopback: ${request.url()}`);
  });
}

// InstantSearch searches at once or in the next task, then renders in a task of its own.
export async function settled(page) {
  await page.evaluate(() => new Promise((done) => setTimeout(done)));
  await page.waitForFunction(() => window.shop?.search.status === 'idle' && window.shop.search.helper?.lastResults);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
}

export const ids = (page, within) => page.$$eval(`${within} article`, (found) => found.map((card) => card.dataset.id));
export const texts = (page, where) => page.$$eval(where, (found) => found.map((one) => one.innerText.trim()));

export async function counts(page, widget, within = '#brands') {
  const labels = await texts(page, `${within} .ais-${widget} .ais-${widget}-label${widget === 'RefinementList' ? 'Text' : ''}`);
  const numbers = await texts(page, `${within} .ais-${widget}-count`);
  return Object.fromEntries(labels.map((label, at) => [label, Number(numbers[at])]));
}

export async function shown(page) {
  await settled(page);
  return { ids: await ids(page, '#hits'), stats: (await texts(page, '#stats .ais-Stats-text'))[0] };
}

// Waits until the mock has answered a request to the Insights API whose body holds all the words.
export function mailbox(page) {
  const taken = [];
  const note = async (answer) => answer.url().includes('/1/events') && taken.push(answer.request().postData() ?? '');
  page.on('response', note);
  return async (...words) => {
    while (!taken.some((body) => words.every((word) => body.includes(word)))) await page.waitForEvent('response');
  };
}
