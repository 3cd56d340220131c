// A visitor of the shop whose searches carry her experience. Each step returns what was on the screen, and what the page
// knew; how often Algolia and the API were asked is counted where they run.
import { pathToFileURL } from 'node:url';

import { ids, mailbox, settled, shown, visit } from './browser.mjs';

const WARNED = 'algosync:';

// `known` is what the shop's pages have stored before; `clock` freezes what the module takes for the time.
const personal = (at, act, { query = {}, known, frozen, ...more } = {}) =>
  visit(at, act, {
    query: Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined && value !== null)),
    before: `
      if (${JSON.stringify(known ?? null)} && !localStorage.getItem('visited')) {
        localStorage.setItem('visited', '1');
        localStorage.setItem('algosync', ${JSON.stringify(JSON.stringify(known ?? {}))});
      }
      window.ticks = ${Boolean(frozen)} ? 1_800_000_000_000 : 0;
      const real = Date.now;
      Date.now = () => window.ticks || real();
      window.warned = [];
      const warn = console.warn;
      console.warn = (...line) => (String(line[0]).startsWith('${WARNED}') ? window.warned.push(line[0]) : warn(...line));
    `,
    ...more,
  });

const stored = (page) => page.evaluate(() => JSON.parse(localStorage.getItem('algosync') ?? '{}'));
const knows = (page) =>
  page.evaluate(() => ({
    experiences: window.shop.experiences,
    warned: window.warned,
    userToken: window.shop.shop.userToken ?? null,
    consent: window.shop.shop.consent(),
  }));
const control = (api, what) => fetch(`${api}/test/${what}`, { method: 'POST' });

// Until an event has come to Algolia and to the API, whatever page is shown by then.
async function arrived(at, api, words) {
  const headers = { 'x-algolia-application-id': at.appId, 'x-algolia-api-key': at.adminKey };
  for (const address of [`http://${at.host}:${at.port}/mock/events`, `${api}/test/posted`]) {
    const until = Date.now() + 20_000;
    for (let text = ''; !text.includes(words); ) {
      if (Date.now() > until) throw new Error(`${words} has not come to ${address}`);
      text = await (await fetch(address, { headers })).text();
    }
  }
}
const ready = (page) => page.waitForFunction(() => window.shop?.shop);
const type = async (page, words) => {
  await page.locator('#search input').fill(words);
  return (await shown(page)).ids;
};
const page2 = async (page) => {
  await page.locator('#pages a', { hasText: /^2$/ }).click();
  return (await shown(page)).ids;
};

const look = (at, { query, known, picture, word = '', brand }) =>
  personal(
    at,
    async (page) => {
      await ready(page);
      const first = (await shown(page)).ids;
      if (picture) await page.screenshot({ path: picture });
      const second = await page2(page);
      const typed = [];
      for (const letter of word) {
        await page.locator('#search input').pressSequentially(letter);
        typed.push((await shown(page)).ids);
      }
      if (brand) {
        await page.locator('#brands label', { hasText: brand }).click();
        await settled(page);
      }
      return { first, second, typed, ...(await knows(page)), stored: await stored(page) };
    },
    { query, known },
  );

// The API answers only when it is told to, which is after the first hits are there.
const late = (at, { query, known, word }) =>
  personal(
    at,
    async (page) => {
      await ready(page);
      const first = (await shown(page)).ids;
      await control(query.api, 'release');
      await page.waitForFunction(() => window.shop.experiences.length === 1);
      const second = await page2(page);
      await page.evaluate(() => (window.shop.shop.wait = 20_000));
      return { first, second, next: await type(page, word), ...(await knows(page)) };
    },
    { query, known },
  );

const messages = (at, { query, known }) =>
  personal(
    at,
    async (page) => {
      const counted = page.waitForResponse((answer) => answer.url().endsWith('/v1/impressions') && answer.ok());
      await ready(page);
      await counted;
      const first = await page.textContent('#message');
      await page.reload();
      await ready(page);
      await page.waitForFunction(() => window.shop.experiences.length);
      return { first, second: await page.textContent('#message') };
    },
    { query, known },
  );

// The module comes when the page has searched already, or not at all.
const later = (at, { query, known, word }) =>
  personal(
    at,
    async (page) => {
      await page.waitForFunction(() => window.shop?.loaded);
      const first = (await shown(page)).ids;
      const next = await type(page, word);
      await page.evaluate(() => window.shop.search.dispose());
      return { first, next };
    },
    { query: { ...query, later: 1 }, known },
  );

const failing = (at, { query, known, words, pause }) =>
  personal(
    at,
    async (page) => {
      await ready(page);
      const found = [(await shown(page)).ids];
      for (const word of words) found.push(await type(page, word));
      await page.evaluate((ms) => (window.ticks += ms), pause);
      found.push(await type(page, 'lamp'));
      return { found, ...(await knows(page)) };
    },
    { query, known, frozen: true },
  );

const toggling = (at, { query, known, picture }) =>
  personal(
    at,
    async (page) => {
      await ready(page);
      const on = (await shown(page)).ids;
      const told = page.waitForResponse((answer) => answer.url().endsWith('/v1/consent'));
      const searched = page.waitForResponse((answer) => answer.url().includes('/queries'));
      await page.locator('#toggle').uncheck();
      await Promise.all([told, searched]);
      const off = (await shown(page)).ids;
      await page.waitForFunction(() => !JSON.parse(localStorage.getItem('algosync')).untold);
      const without = { ...(await knows(page)), stored: await stored(page) };
      if (picture) await page.screenshot({ path: picture });
      await page.locator('#hits .name').nth(1).click();
      await page.locator('#hits button').first().click();
      await page.evaluate(() => window.shop.shop.flush());
      const again = page.waitForResponse((answer) => answer.url().includes('/queries'));
      await page.locator('#toggle').check();
      await again;
      return { on, off, without, back: (await shown(page)).ids, stored: await stored(page), ...(await knows(page)) };
    },
    { query, known },
  );

const events = (at, { query, known, closing }) =>
  personal(
    at,
    async (page) => {
      await ready(page);
      const { ids: hits } = await shown(page);
      const taken = mailbox(page);
      await page.locator('#hits .name').nth(1).click();
      await taken('Product Clicked');
      await arrived(at, query.api, 'Product Clicked');
      await page.locator('#hits button').first().click();
      // The page is left before its batch is due; by now the browser knows that it may send.
      if (closing) await page.goto(`${at.page}/storefront/shop.css`);
      await arrived(at, query.api, 'Product Purchased');
      await arrived(at, query.api, 'Hit Clicked');
      return { hits };
    },
    { query, known },
  );

const account = (at, { query, known, key }) =>
  personal(
    at,
    async (page) => {
      await ready(page);
      const out = (await shown(page)).ids;
      const searched = () => page.waitForResponse((answer) => answer.url().includes('/queries'));
      let next = searched();
      await page.evaluate((login) => window.shop.shop.identify(login), key);
      await next;
      const back = (await shown(page)).ids;
      await page.evaluate(() => window.shop.shop.send({ eventType: 'view', eventName: 'Seen', index: 'products', objectIDs: ['p-01'] }));
      const sent = page.waitForResponse((answer) => answer.url().includes('/1/events') && answer.url().startsWith(new URL(query.api).origin));
      await page.evaluate(() => window.shop.shop.flush());
      await sent;
      next = searched();
      await page.evaluate(() => window.shop.shop.identify());
      await next;
      return { out, back, left: (await shown(page)).ids, ...(await knows(page)) };
    },
    { query, known },
  );

const recommended = (at, { query, known, picture }) =>
  personal(
    at,
    async (page) => {
      await ready(page);
      await settled(page);
      await page.waitForSelector('#related article');
      if (picture) await page.screenshot({ path: picture, fullPage: true });
      return { related: await ids(page, '#related'), ...(await knows(page)) };
    },
    { query, known },
  );

// The plain functions, in node: what they make of each case.
async function pure(_, { path, cases, tokens, own }) {
  const { merged, safe } = await import(pathToFileURL(path));
  const made = cases.map(([mine, ours]) => merged(mine, ours));
  return { merged: made, safe: await Promise.all(tokens.map(safe)), own };
}

// A page whose storage cannot be written, or not even be read, in node: by what tokens she is asked about, and what holds.
async function unstored(_, { path, readable }) {
  const failing = () => {
    throw new Error('QuotaExceededError');
  };
  const asked = [];
  globalThis.document = { addEventListener: () => {} };
  globalThis.window = { localStorage: { getItem: readable ? () => null : failing, setItem: failing } };
  globalThis.addEventListener = () => {};
  globalThis.fetch = async (_address, { body }) => {
    asked.push(JSON.parse(body).userToken ?? null);
    return { ok: true, json: async () => ({}) };
  };
  const { algosync } = await import(pathToFileURL(path));
  const shop = algosync({ url: 'http://api', publicKey: 'public', consent: 'for_you' });
  await shop.experience();
  await shop.experience();
  await shop.consent('not_personalized');
  return { asked, consent: shop.consent() };
}

export const steps = { look, late, later, messages, failing, toggling, events, account, recommended, pure, unstored };
