// A visitor of the shop that runs on Next.js. `orders` holds every order of products that the page has ever shown.
import { opened, texts } from './browser.mjs';

const shownIds = (page) => page.$$eval('article', (found) => found.map((card) => card.dataset.id));

function remember() {
  window.orders = [];
  const note = () => {
    const order = [...document.querySelectorAll('article')].map((card) => card.dataset.id).join(' ');
    if (order && order !== window.orders.at(-1)) window.orders.push(order);
  };
  addEventListener('DOMContentLoaded', () => {
    note();
    new MutationObserver(note).observe(document.body, { childList: true, subtree: true, attributes: true });
  });
}

// React has taken the page over.
const alive = (page, what) =>
  page.waitForFunction((where) => {
    const found = document.querySelector(where);
    return found && Object.keys(found).some((name) => name.startsWith('__reactProps'));
  }, what);

async function after(page, act) {
  const before = (await shownIds(page)).join();
  await act();
  await page.waitForFunction((was) => {
    const now = [...document.querySelectorAll('article')].map((card) => card.dataset.id).join();
    return now && now !== was;
  }, before);
  return shownIds(page);
}

const shopping = (at, { shop, visitor, word, picture }) =>
  opened(at, async (page) => {
    const cookies = visitor ? { consent: 'for_you', visitor } : {};
    await page.context().addCookies(Object.entries(cookies).map(([name, value]) => ({ name, value, url: shop })));
    await page.addInitScript(remember);
    await page.goto(shop);
    await alive(page, '#toggle');
    const first = await shownIds(page);
    const checked = await page.isChecked('#toggle');
    if (picture) await page.screenshot({ path: picture });
    const orders = await page.evaluate(() => window.orders);
    const second = await after(page, () => page.locator('.ais-Pagination-link', { hasText: /^2$/ }).click());
    const typed = word && (await after(page, () => page.locator('.ais-SearchBox-input').fill(word)));
    return { first, orders, checked, second, typed };
  });

const toggling = (at, { shop, visitor }) =>
  opened(at, async (page) => {
    const context = page.context();
    const kept = async () => Object.fromEntries((await context.cookies()).map(({ name, value }) => [name, value]));
    await context.addCookies(Object.entries({ consent: 'for_you', visitor }).map(([name, value]) => ({ name, value, url: shop })));
    await page.goto(shop);
    await alive(page, '#toggle');
    const stored = page.waitForResponse((answer) => answer.url().endsWith('/visitor') && answer.request().method() === 'POST');
    const off = await after(page, () => page.locator('#toggle').uncheck());
    await stored;
    const without = await kept();
    await page.reload();
    await alive(page, '#toggle');
    const reloaded = await shownIds(page);
    const again = page.waitForResponse((answer) => answer.url().endsWith('/v1/consent'));
    await page.locator('#toggle').check();
    await again;
    return { off, without, reloaded, back: await kept() };
  });

const still = (at, { shop, known, query, picture }) =>
  opened(at, async (page) => {
    await page.addInitScript(`localStorage.setItem('algosync', ${JSON.stringify(JSON.stringify(known))})`);
    await page.goto(`${shop}/static?${new URLSearchParams({ host: `${at.host}:${at.port}`, app: at.appId, key: at.searchKey, ...query })}`);
    await page.waitForSelector('article');
    if (picture) await page.screenshot({ path: picture });
    return { title: (await texts(page, 'h1'))[0], ids: await shownIds(page) };
  });

export const steps = { shopping, toggling, still };
