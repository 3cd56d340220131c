// A merchandiser at the preview of a running API: logs in, looks at the shop as somebody, reads the overview. Each step
// returns what was on the screen; `axe` is what axe-core finds wrong with it.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { opened, texts } from './browser.mjs';

const AXE = await readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

const LOOKS = {
  desktop: {},
  phone: PHONE,
  dark: { colorScheme: 'dark' },
  'dark phone': { ...PHONE, colorScheme: 'dark' },
};

async function audit(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
  );
  return found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(' | ')}`);
}

const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

async function logIn(page, { api, key }) {
  await page.goto(`${api}/preview`);
  await page.fill('#key', key);
  await page.click('main button');
  await page.waitForSelector('#ask');
}

async function ask(page, wish) {
  for (const [name, value] of Object.entries(wish)) {
    if (['segment', 'action'].includes(name)) await page.evaluate(() => (document.querySelector('.drafts').open = true));
    const field = page.locator(`#${name}`);
    if (['persona', 'where', 'index'].includes(name)) await field.selectOption(value);
    else await field.fill(value);
  }
  await Promise.all([page.waitForNavigation(), page.locator('#ask > button').click()]);
}

const side = (page, nth) =>
  page.$$eval(`.side:nth-child(${nth}) .hit`, (hits) =>
    hits.map((hit) => ({ id: hit.dataset.id, text: hit.innerText.replace(/\s+/g, ' ') })),
  );

async function seen(page) {
  return {
    url: page.url(),
    title: await page.title(),
    alerts: await texts(page, '[role=alert]'),
    difference: (await texts(page, '#difference'))[0] ?? null,
    plain: await side(page, 1),
    personal: await side(page, 2),
    facts: await texts(page, '.facts dd'),
    segments: await texts(page, '#segments ~ .grid article'),
    actions: await texts(page, '#actions ~ ul li'),
    receipts: await texts(page, '#filters ~ .scroll tbody tr'),
    personas: await page.$$eval('#persona option', (all) => all.map((one) => one.value)),
    events: await texts(page, '#events tbody tr'),
  };
}

const unfold = (page) => page.$$eval('details', (all) => all.forEach((one) => (one.open = true)));

// Every page in one look: what axe finds, and how far it is wider than the screen.
const everywhere = (at, given) =>
  opened(
    at,
    async (page) => {
      const pages = [];
      const note = async (name) => {
        if (given.pictures) await page.screenshot({ path: `${given.pictures}/${name} ${given.look}.png`, fullPage: true });
        pages.push({ name, axe: await audit(page), overflow: await overflow(page) });
      };
      await page.goto(`${given.api}/preview`);
      await note('login');
      await logIn(page, given);
      await note('form');
      await ask(page, given.wish);
      await unfold(page);
      await note('preview');
      await ask(page, { segment: '{"broken": {"when": {"affinity": {}}}}' });
      await note('mistake');
      await page.goto(`${given.api}/preview/overview`);
      await unfold(page);
      await note('overview');
      await page.goto(`${given.api}/preview?user=somebody`);
      await note('problem');
      return { pages };
    },
    LOOKS[given.look],
  );

const look = (at, given) =>
  opened(
    at,
    async (page) => {
      await logIn(page, given);
      const saw = [];
      for (const wish of given.wishes) {
        await ask(page, wish);
        saw.push(await seen(page));
      }
      return { saw };
    },
    { javaScriptEnabled: given.scripts ?? true },
  );

// The whole way by keyboard alone; returns what had the focus, in order.
const keyboard = (at, given) =>
  opened(at, async (page) => {
    const focused = () =>
      page.evaluate(() => {
        const one = document.activeElement;
        const shown = getComputedStyle(one).outlineStyle !== 'none';
        return `${one.id || one.innerText.trim()}${shown ? '' : ' (not visible)'}`;
      });
    const order = [];
    const press = async (key, times = 1) => {
      for (let time = 0; time < times; time += 1) await page.keyboard.press(key);
      order.push(await focused());
    };
    await page.goto(`${given.api}/preview`);
    await press('Tab');
    await press('Enter');
    await press('Tab');
    await page.keyboard.type(given.key);
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    await press('Tab');
    await press('Enter');
    await press('Tab');
    await page.keyboard.type(given.user);
    await press('Tab', 4);
    await page.keyboard.type(given.query);
    await press('Tab');
    await press('Tab');
    await press('Tab');
    await press('Tab');
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    return { order, ...(await seen(page)) };
  });

// Events that arrive while the page is open are shown, without and with a script.
const arriving = (at, given) =>
  opened(at, async (page) => {
    await page.clock.install();
    await logIn(page, given);
    await ask(page, { user: given.user });
    const before = await texts(page, '#events tbody tr');
    const answer = await page.request.post(`${given.api}/1/events`, {
      data: { events: given.events },
      headers: { 'x-algolia-api-key': given.key },
    });
    const refreshed = page.waitForResponse((response) => response.url().endsWith('/preview/events'));
    await page.clock.fastForward(3100);
    await refreshed;
    await page.waitForSelector('#events tbody tr');
    const after = await texts(page, '#events tbody tr');
    await Promise.all([page.waitForNavigation(), page.getByRole('button', { name: 'Look again' }).click()]);
    return { status: answer.status(), before, after, again: await texts(page, '#events tbody tr') };
  });

// What another site's page can make a browser do: nothing.
const foreign = (at, given) =>
  opened(at, async (page) => {
    await logIn(page, given);
    await page.goto(given.elsewhere);
    await page.setContent(
      `<form method="post" action="${given.api}/preview/logout"><button>Win</button></form><iframe src="${given.api}/preview/login"></iframe>`,
    );
    await page.waitForLoadState();
    const framed = await page.frames()[1]?.content();
    await Promise.all([page.waitForNavigation(), page.click('button')]);
    const said = await texts(page, 'main');
    await page.goto(`${given.api}/preview`);
    return { framed, said, stillIn: (await page.locator('#ask').count()) === 1 };
  });

export const steps = { everywhere, look, keyboard, arriving, foreign };
