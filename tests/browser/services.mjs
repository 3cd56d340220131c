// Keys, and the clients that are made from the official one: Recommend, Insights, Personalization. Each step returns what
// the client saw.
import { connect, hosts, refusal } from './connection.mjs';

const REGION = 'us';

async function secured(at) {
  const maker = connect(at);
  const now = Math.floor(Date.now() / 1000);
  const make = (restrictions) => maker.generateSecuredApiKey({ parentApiKey: at.searchKey, restrictions });
  const key = make({ filters: 'brand:Kestrel', restrictIndices: ['prod*'], validUntil: now + 3600, userToken: 'u-1' });
  const client = connect(at, key);
  const expired = connect(at, make({ validUntil: now - 60 }));
  const answer = await client.searchSingleIndex({
    indexName: 'products',
    searchParams: { query: '', filters: 'in_stock:true', hitsPerPage: 100 },
  });
  return {
    remaining: maker.getSecuredApiKeyRemainingValidity({ securedApiKey: key }),
    ids: answer.hits.map((hit) => hit.objectID).sort(),
    otherIndex: await refusal(client.searchSingleIndex({ indexName: 'cups' })),
    expired: await refusal(expired.searchSingleIndex({ indexName: 'products' })),
    tampered: await refusal(connect(at, `${key.slice(0, -8)}AAAAAAAA`).searchSingleIndex({ indexName: 'products' })),
    write: await refusal(client.deleteObject({ indexName: 'products', objectID: 'p-01' })),
  };
}

async function keys(at) {
  const client = connect(at);
  const apiKey = { acl: ['search'], indexes: ['prod*'], description: 'storefront', maxHitsPerQuery: 5 };
  const { key } = await client.addApiKey(apiKey);
  const added = await client.waitForApiKey({ operation: 'add', key });
  const changed = { ...apiKey, acl: ['search', 'browse'] };
  await client.updateApiKey({ key, apiKey: changed });
  const updated = await client.waitForApiKey({ operation: 'update', key, apiKey: changed });
  const held = await connect(at, key).searchSingleIndex({ indexName: 'products', searchParams: { hitsPerPage: 50 } });
  await client.deleteApiKey({ key });
  await client.waitForApiKey({ operation: 'delete', key });
  const deleted = await refusal(connect(at, key).searchSingleIndex({ indexName: 'products' }));
  await client.restoreApiKey({ key });
  await client.waitForApiKey({ operation: 'add', key });
  return {
    added: { acl: added.acl, indexes: added.indexes, description: added.description },
    updated: updated?.acl ?? (await client.getApiKey({ key })).acl,
    hits: held.hits.length,
    deleted,
    listed: (await client.listApiKeys()).keys.some((known) => known.value === key),
  };
}

async function recommend(at) {
  const client = connect(at, at.searchKey).initRecommend({ options: { hosts: hosts(at) } });
  const of = (model, more = {}) => ({ indexName: 'products', model, threshold: 0, maxRecommendations: 4, ...more });
  const objectID = 'p-01';
  const { results } = await client.getRecommendations({
    requests: [
      of('related-products', { objectID }),
      of('bought-together', { objectID }),
      of('looking-similar', { objectID, queryParameters: { filters: 'in_stock:true' } }),
      of('trending-items'),
      of('trending-facets', { facetName: 'brand' }),
    ],
  });
  return { results, refused: await refusal(client.getRecommendations({ requests: [of('no-such-model', { objectID })] })) };
}

async function insights(at) {
  const client = connect(at, at.searchKey).initInsights({ options: { hosts: hosts(at) } });
  const view = {
    eventType: 'view',
    eventName: 'Product Viewed',
    index: 'products',
    userToken: 'visitor-1',
    objectIDs: ['p-01', 'p-02'],
  };
  const bought = {
    eventType: 'conversion',
    eventSubtype: 'purchase',
    eventName: 'Bought',
    index: 'products',
    userToken: 'visitor-1',
    objectIDs: ['p-02'],
    objectData: [{ price: 19.5, quantity: 2, discount: '1.50' }],
    currency: 'EUR',
    value: 39,
  };
  return {
    taken: await client.pushEvents({ events: [view, bought] }),
    refused: await refusal(client.pushEvents({ events: [view, { ...view, userToken: 'no spaces here' }] })),
  };
}

async function personalization(at) {
  const client = connect(at).initPersonalization({ region: REGION, options: { hosts: hosts(at) } });
  const insightsClient = connect(at).initInsights({ options: { hosts: hosts(at) } });
  const strategy = {
    eventsScoring: [{ score: 50, eventName: 'Product Viewed', eventType: 'view' }],
    facetsScoring: [{ score: 100, facetName: 'brand' }],
    personalizationImpact: 60,
  };
  const set = await client.setPersonalizationStrategy(strategy);
  await insightsClient.pushEvents({
    events: [
      { eventType: 'view', eventName: 'Product Viewed', index: 'products', userToken: 'fan', objectIDs: ['p-01'] },
    ],
  });
  return {
    set,
    wanted: strategy,
    got: await client.getPersonalizationStrategy(),
    profile: await client.getUserTokenProfile({ userToken: 'fan' }),
    deleted: await client.deleteUserProfile({ userToken: 'fan' }),
    unknown: await refusal(client.getUserTokenProfile({ userToken: 'nobody' })),
  };
}

export const steps = { secured, keys, recommend, insights, personalization };
