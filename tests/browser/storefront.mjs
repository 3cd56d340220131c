// A visitor of the shop: types, refines, turns pages, is somebody else. Each step returns what was on the screen.
import { counts, ids, mailbox, settled, shown, texts, visit } from './browser.mjs';

const typing = (at, { word, misspelt, picture }) =>
  visit(at, async (page) => {
    const steps = [{ typed: '', ...(await shown(page)) }];
    for (const letter of word) {
      await page.locator('#search input').pressSequentially(letter);
      steps.push({
        typed: await page.inputValue('#search input'),
        ...(await shown(page)),
        marked: await texts(page, '#hits mark'),
      });
    }
    if (picture) await page.screenshot({ path: picture });
    await page.locator('#search input').fill(misspelt);
    return { steps, misspelt: await shown(page) };
  });

const refine = (at, { brand, other, least }) =>
  visit(at, async (page) => {
    const click = (name) => page.locator('#brands label', { hasText: name }).click();
    const start = { ...(await shown(page)), brands: await counts(page, 'RefinementList') };
    await click(brand);
    const one = { ...(await shown(page)), brands: await counts(page, 'RefinementList') };
    await click(other);
    const two = await shown(page);
    await page.locator('#stock input').check();
    const stocked = await shown(page);
    await page.locator('#price input').first().fill(String(least));
    await page.locator('#price button').click();
    const dear = await shown(page);
    await page.locator('#clear button').click();
    return { start, one, two, stocked, dear, cleared: await shown(page) };
  });

// RefinementList empties its search box at any render but its own: the last answer, Recommend's, has to be there first.
const values = (at, { part }) =>
  visit(at, async (page) => {
    await page.waitForSelector('#trending article');
    await settled(page);
    await page.locator('#brands input[type=search]').pressSequentially(part);
    await page.waitForSelector('#brands mark');
    return { values: await counts(page, 'RefinementList') };
  });

const menu = (at, { top, sub }) =>
  visit(at, async (page) => {
    await settled(page);
    const click = (name) => page.locator('#categories a', { hasText: name }).first().click();
    const start = await counts(page, 'HierarchicalMenu', '#categories');
    await click(top);
    const opened = { ...(await shown(page)), menu: await counts(page, 'HierarchicalMenu', '#categories') };
    await click(sub);
    return { start, opened, chosen: await shown(page) };
  });

const pages = (at, { picture }) =>
  visit(at, async (page) => {
    const first = await shown(page);
    await page.locator('#pages a', { hasText: /^2$/ }).click();
    const second = await shown(page);
    await page.locator('#pages .ais-Pagination-item--lastPage a').click();
    const last = { ...(await shown(page)), current: await texts(page, '#pages .ais-Pagination-item--selected') };
    if (picture) await page.screenshot({ path: picture });
    return { first, second, last };
  });

const visitors = (at, { names, picture }) =>
  visit(at, async (page) => {
    const saw = { start: await shown(page) };
    for (const name of names) {
      await page.selectOption('#visitor', name);
      saw[name] = { ...(await shown(page)), notice: await texts(page, '#notice p') };
    }
    if (picture) await page.screenshot({ path: picture });
    await page.selectOption('#visitor', 'anyone');
    return { ...saw, again: await shown(page) };
  });

const product = (at, { objectID, user, picture }) =>
  visit(
    at,
    async (page) => {
      await settled(page);
      const places = ['#related', '#together', '#similar', '#trending'];
      for (const place of places) await page.waitForSelector(`${place} article`);
      if (picture) await page.screenshot({ path: picture, fullPage: true });
      const taken = mailbox(page);
      await page.locator('#related .name').first().click();
      await taken('Product Clicked');
      return Object.fromEntries(await Promise.all(places.map(async (place) => [place.slice(1), await ids(page, place)])));
    },
    { query: { product: objectID, user } },
  );

// A page whose searches carry a secured key, made for the visitor by the shop's server.
const signedIn = (at, { key, user, narrower }) =>
  visit(
    at,
    async (page) => {
      const start = await shown(page);
      await page.locator('#brands label', { hasText: narrower }).click();
      return { start, brands: await counts(page, 'RefinementList'), refined: await shown(page) };
    },
    { query: { key, user } },
  );

// A search that goes wrong is an error of the page's, and the next one works.
const recovered = (at, { words }) =>
  visit(at, async (page) => {
    const start = await shown(page);
    await page.evaluate(() => {
      window.errors = [];
      window.shop.search.on('error', ({ error }) => window.errors.push(error.message));
    });
    await page.locator('#search input').fill(words[0]);
    await page.waitForFunction(() => window.errors.length === 1);
    const kept = await ids(page, '#hits');
    await page.locator('#search input').fill(words[1]);
    return { start: start.ids, kept, errors: await page.evaluate(() => window.errors), next: await shown(page) };
  });

export const steps = { typing, refine, values, menu, pages, visitors, product, signedIn, recovered };
