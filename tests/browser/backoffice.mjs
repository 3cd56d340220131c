// Requests that a page sends without InstantSearch, from another origin than the mock's.
import { visit } from './browser.mjs';

// The full client in a page: its writes need answers to preflight requests.
const writes = (at) =>
  visit(
    at,
    async (page) =>
      page.evaluate(
        async ({ appId, key, host, port }) => {
          const client = window.algoliasearch.algoliasearch(appId, key, {
            hosts: [{ url: host, port, protocol: 'http', accept: 'readWrite' }],
          });
          const indexName = 'notes';
          const saved = await client.setSettings({ indexName, indexSettings: { searchableAttributes: ['text'] } });
          await client.waitForTask({ indexName, taskID: saved.taskID });
          await client.saveObjects({ indexName, objects: [{ objectID: 'n/1', text: 'hello' }], waitForTasks: true });
          const { hits } = await client.searchSingleIndex({ indexName, searchParams: { query: 'hel' } });
          await client.deleteObjects({ indexName, objectIDs: ['n/1'], waitForTasks: true });
          const refused = await client
            .searchSingleIndex({ indexName: 'unknown' })
            .catch(({ status, message }) => ({ status, message }));
          return { hits: hits.map((hit) => hit.objectID), refused };
        },
        { appId: at.appId, key: at.adminKey, host: at.host, port: at.port },
      ),
    { address: '/storefront/backoffice.html' },
  );

// The header that names what was left aside has to be readable from a page of another origin.
const warned = (at) =>
  visit(
    at,
    async (page) =>
      page.evaluate(
        async ({ address, app, key }) => {
          const credentials = `x-algolia-application-id=${app}&x-algolia-api-key=${key}`;
          const answer = await fetch(`${address}/1/indexes/products/query?${credentials}`, {
            method: 'POST',
            body: JSON.stringify({ query: 'tent', enablePersonalization: true, userToken: 'u-1' }),
          });
          return { warning: answer.headers.get('x-algosync-mock-warning'), hits: (await answer.json()).nbHits };
        },
        { address: `http://${at.host}:${at.port}`, app: at.appId, key: at.searchKey },
      ),
    { address: '/storefront/backoffice.html' },
  );

export const steps = { writes, warned };
