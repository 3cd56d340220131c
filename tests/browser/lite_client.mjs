// What a storefront does with `algoliasearch/lite`, on a server. Each step returns what the client saw.
import { liteClient } from 'algoliasearch/lite';

function connect(at) {
  const hosts = [{ url: at.host, port: at.port, protocol: 'http', accept: 'readWrite' }];
  return liteClient(at.appId, at.searchKey, { hosts, timeouts: { connect: 20_000, read: 20_000, write: 20_000 } });
}

async function search(at) {
  const { results } = await connect(at).search({
    requests: [
      { indexName: 'products', query: 'kettle', facets: ['brand'], hitsPerPage: 5 },
      { indexName: 'products', query: 'tent', hitsPerPage: 2 },
    ],
  });
  const old = await connect(at).search([{ indexName: 'products', params: { query: 'tent' } }]);
  return { results, old: old.results.map((result) => result.nbHits) };
}

async function facets(at) {
  const request = { indexName: 'products', type: 'facet', facet: 'brand', facetQuery: 'ha' };
  return connect(at).searchForFacets({ requests: [request] });
}

async function recommend(at) {
  return connect(at).getRecommendations({
    requests: [{ indexName: 'products', model: 'related-products', objectID: 'p-01', threshold: 0 }],
  });
}

export const steps = { search, facets, recommend };
