// A visitor whose clicks and purchases are told to the Insights API. Each step returns what the page knew of them.
import { mailbox, settled, shown, visit } from './browser.mjs';

const events = (at, { user, word }) =>
  visit(
    at,
    async (page) => {
      const taken = mailbox(page);
      await page.locator('#search input').fill(word);
      const { ids: hits } = await shown(page);
      const { queryID, params } = await page.evaluate(() => {
        const { lastResults } = window.shop.search.helper;
        return { queryID: lastResults.queryID, params: lastResults.params };
      });
      await taken('Hits Viewed', JSON.stringify(hits));
      await page.locator('#hits .name').nth(1).click();
      await taken('Product Clicked');
      await page.locator('#hits button').first().click();
      await taken('Product Added To Cart');
      await page.evaluate(
        ([objectID, query]) =>
          window.aa('purchasedObjectIDsAfterSearch', {
            eventName: 'Product Purchased',
            index: 'products',
            objectIDs: [objectID],
            objectData: [{ queryID: query, price: 10, quantity: 1 }],
            currency: 'EUR',
            value: 10,
          }),
        [hits[0], queryID],
      );
      await taken('Product Purchased');
      return { hits, queryID, params };
    },
    { query: user ? { user } : {} },
  );

// Every kind of event that `search-insights` knows, sent by it directly.
const methods = (at, { user, beacon, queryID }) =>
  visit(
    at,
    async (page) => {
      await settled(page);
      const taken = mailbox(page);
      const names = await page.evaluate((query) => {
        const index = 'products';
        const objectIDs = ['p-03', 'p-04'];
        const filters = ['brand:Kestrel', 'categories.lvl1:Outdoor > Tents'];
        const money = { currency: 'EUR', value: 37.96 };
        const objectData = objectIDs.map(() => ({ price: '9.99', quantity: 2, discount: 1 }));
        const searched = objectData.map((data) => ({ ...data, queryID: query }));
        const payloads = {
          clickedObjectIDs: { objectIDs },
          clickedObjectIDsAfterSearch: { objectIDs, positions: [1, 2], queryID: query },
          clickedFilters: { filters },
          convertedObjectIDs: { objectIDs },
          convertedObjectIDsAfterSearch: { objectIDs, queryID: query },
          convertedFilters: { filters },
          addedToCartObjectIDs: { objectIDs, objectData, ...money },
          addedToCartObjectIDsAfterSearch: { objectIDs, objectData, queryID: query, ...money },
          purchasedObjectIDs: { objectIDs, objectData, ...money },
          purchasedObjectIDsAfterSearch: { objectIDs, objectData: searched, ...money },
          viewedObjectIDs: { objectIDs },
          viewedFilters: { filters },
        };
        window.aa('setAuthenticatedUserToken', 'customer-1');
        for (const [method, payload] of Object.entries(payloads)) {
          window.aa(method, { index, eventName: method, ...payload });
        }
        return Object.keys(payloads);
      }, queryID);
      for (const name of names) await taken(`"${name}"`);
      return { names };
    },
    {
      query: { user },
      before: beacon ? undefined : () => Object.defineProperty(Navigator.prototype, 'sendBeacon', { value: undefined }),
    },
  );

export const steps = { events, methods };
