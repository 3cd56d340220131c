// A visitor of the page with the less common widgets. Each step returns what was on the screen.
import { ids, settled, shown, texts, visit } from './browser.mjs';

const collection = (at, act, query = {}) => visit(at, act, { address: '/storefront/collection.html', query });

const more = (at, { word }) =>
  collection(at, async (page) => {
    const first = await shown(page);
    await page.locator('#hits .ais-InfiniteHits-loadMore').click();
    const second = await shown(page);
    await page.locator('#search input').fill(word);
    const both = { products: (await shown(page)).ids, articles: await ids(page, '#articles') };
    return { first: first.ids, second: second.ids, both, snippets: await texts(page, '#hits article mark') };
  });

const facets = (at, { picture }) =>
  collection(at, async (page) => {
    await settled(page);
    const headers = await texts(page, '#facets .ais-DynamicWidgets-widget:has(li) .ais-Panel-header');
    const brands = await texts(page, '#facets .ais-RefinementList-labelText');
    await page.waitForSelector('#trending li');
    const trending = await texts(page, '#trending li');
    await page.locator('#facets label', { hasText: 'Kestrel' }).click();
    await settled(page);
    await page.locator('#facets a', { hasText: 'Outdoor' }).click();
    await settled(page);
    await page.locator('#facets a', { hasText: 'Tents' }).click();
    const refined = { ...(await shown(page)), notice: await texts(page, '#notice p') };
    if (picture) await page.screenshot({ path: picture });
    const crumbs = await texts(page, '#crumbs .ais-Breadcrumb-item');
    const current = await texts(page, '#current .ais-CurrentRefinements-categoryLabel');
    return { headers, brands, trending, refined, crumbs, current };
  });

const sorted = (at) =>
  collection(at, async (page) => {
    const popular = await shown(page);
    await page.selectOption('#order select', 'products_by_price');
    const cheapest = await shown(page);
    await page.locator('#price label', { hasText: '40 and more' }).click();
    return { popular: popular.ids, cheapest: cheapest.ids, from: (await shown(page)).ids };
  });

const like = (at, { hit, picture }) =>
  collection(
    at,
    async (page) => {
      await page.waitForSelector('#related article');
      await settled(page);
      if (picture) await page.screenshot({ path: picture, fullPage: true });
      return { like: await ids(page, '#like'), related: await ids(page, '#related') };
    },
    { like: JSON.stringify(hit) },
  );

export const steps = { more, facets, sorted, like };
