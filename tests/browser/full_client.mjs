// What a back end does with the official client, `algoliasearch`. Each step returns what the client saw.
import { connect, hosts, refusal } from './connection.mjs';

const byId = (records) => [...records].sort((a, b) => a.objectID.localeCompare(b.objectID));

async function browsed(client, indexName, browseParams = {}) {
  const found = [];
  await client.browseObjects({ indexName, browseParams, aggregator: (page) => found.push(...page.hits) });
  return byId(found);
}

async function records(at) {
  const client = connect(at);
  const indexName = 'cups';
  const saved = await client.saveObjects({
    indexName,
    objects: Array.from({ length: 25 }, (_, n) => ({ objectID: `cup-${n}`, name: `Cup ${n}`, sold: n })),
    batchSize: 10,
    waitForTasks: true,
  });
  const changed = await client.partialUpdateObjects({
    indexName,
    objects: [
      { objectID: 'cup-1', sold: { _operation: 'Increment', value: 5 } },
      { objectID: 'unknown', sold: 1 },
    ],
    createIfNotExists: false,
    waitForTasks: true,
  });
  const single = await client.partialUpdateObject({
    indexName,
    objectID: 'new / ?',
    attributesToUpdate: { tags: { _operation: 'AddUnique', value: 'x' } },
    createIfNotExists: true,
  });
  await client.waitForTask({ indexName, taskID: single.taskID });
  const deleted = await client.deleteObjects({ indexName, objectIDs: ['cup-2', 'cup-3'], waitForTasks: true });
  const several = await client.getObjects({
    requests: [
      { indexName, objectID: 'cup-1', attributesToRetrieve: ['sold'] },
      { indexName, objectID: 'cup-2' },
    ],
  });
  return {
    batches: saved.map((batch) => batch.objectIDs.length),
    changed: changed.map((batch) => batch.objectIDs),
    deleted: deleted.map((batch) => batch.objectIDs),
    several,
    created: await client.getObject({ indexName, objectID: 'new / ?' }),
    part: await client.getObject({ indexName, objectID: 'cup-1', attributesToRetrieve: ['name'] }),
    exists: [await client.indexExists({ indexName }), await client.indexExists({ indexName: 'saucers' })],
    gone: await refusal(client.getObject({ indexName, objectID: 'cup-2' })),
    noIndex: await refusal(client.searchSingleIndex({ indexName: 'saucers' })),
    all: await browsed(client, indexName, { hitsPerPage: 10 }),
  };
}

async function replaced(at) {
  const client = connect(at);
  const indexName = 'products';
  const before = await client.getSettings({ indexName });
  const made = await client.replaceAllObjects({
    indexName,
    objects: Array.from({ length: 7 }, (_, n) => ({ objectID: `new-${n}`, name: `New ${n}` })),
    batchSize: 3,
  });
  return {
    steps: Object.keys(made).sort(),
    batches: made.batchResponses.length,
    ids: (await browsed(client, indexName)).map((record) => record.objectID),
    settingsKept: JSON.stringify(await client.getSettings({ indexName })) === JSON.stringify(before),
    rules: (await client.searchRules({ indexName })).nbHits,
    indices: (await client.listIndices()).items.map((item) => item.name).sort(),
  };
}

async function indices(at) {
  const client = connect(at);
  const copied = await client.operationIndex({
    indexName: 'products',
    operationIndexParams: { operation: 'copy', destination: 'products_copy', scope: ['settings', 'rules'] },
  });
  await client.waitForTask({ indexName: 'products', taskID: copied.taskID });
  const copy = (await client.searchRules({ indexName: 'products_copy' })).nbHits;
  const cleared = await client.clearObjects({ indexName: 'products' });
  await client.waitForTask({ indexName: 'products', taskID: cleared.taskID });
  const moved = await client.operationIndex({
    indexName: 'products_copy',
    operationIndexParams: { operation: 'move', destination: 'kept' },
  });
  await client.waitForTask({ indexName: 'kept', taskID: moved.taskID });
  const many = await client.multipleBatch({
    requests: [
      { action: 'addObject', indexName: 'kept', body: { objectID: 'one' } },
      { action: 'addObject', indexName: 'other', body: { objectID: 'two' } },
    ],
  });
  for (const [name, taskID] of Object.entries(many.taskID)) {
    await client.waitForTask({ indexName: name, taskID });
  }
  const gone = await client.deleteIndex({ indexName: 'products' });
  await client.waitForTask({ indexName: 'products', taskID: gone.taskID });
  const listed = await client.listIndices();
  return { copy, items: listed.items.map(({ name, entries }) => ({ name, entries })) };
}

// Helpers and calls that the other steps leave out.
async function odds(at) {
  const client = connect(at, at.adminKey, { compression: 'gzip' });
  const indexName = 'products';
  const made = await client.saveObject({ indexName, body: { name: 'No id', about: 'x'.repeat(5000) } });
  await client.waitForTask({ indexName, taskID: made.taskID });
  const put = await client.addOrUpdateObject({ indexName, objectID: 'put', body: { name: 'Put', price: 999 } });
  await client.waitForTask({ indexName, taskID: put.taskID });
  const dear = await client.searchSingleIndex({ indexName, searchParams: { filters: 'price > 500' } });
  const gone = await client.deleteBy({ indexName, deleteByParams: { filters: 'price > 500' } });
  await client.waitForTask({ indexName, taskID: gone.taskID });
  const chunks = await client.chunkedBatch({
    indexName,
    objects: [{ objectID: 'p-01' }, { objectID: 'p-02' }],
    action: 'deleteObject',
    waitForTasks: true,
    batchSize: 1,
  });
  const cleared = await client.clearRules({ indexName });
  await client.waitForTask({ indexName, taskID: cleared.taskID });
  const page = await client.browse({ indexName, browseParams: { hitsPerPage: 5, query: 'tent', filters: 'in_stock:true' } });
  return {
    made: made.objectID,
    read: (await client.getObject({ indexName, objectID: made.objectID })).name,
    dear: dear.hits.map((hit) => hit.objectID),
    chunks: chunks.length,
    rules: (await client.searchRules({ indexName })).nbHits,
    page: { hits: page.hits.length, cursor: typeof page.cursor },
    left: (await client.searchSingleIndex({ indexName })).nbHits,
    alive: await client.customGet({ path: '1/isalive' }),
    nowhere: await refusal(client.customGet({ path: '1/no/such/path' })),
    garbage: await refusal(client.customPost({ path: `1/indexes/${indexName}/query`, body: { hitsPerPage: 'many' } })),
    filters: await refusal(client.searchSingleIndex({ indexName, searchParams: { filters: 'price > AND' } })),
  };
}

// What a client does about faults: other hosts after a server's error, another try after a 429.
async function faults(at) {
  const twice = [...hosts(at), { ...hosts(at)[0], url: 'localhost' }];
  const client = connect(at, at.adminKey, { hosts: twice });
  const began = Date.now();
  const answers = [];
  for (const query of ['tent', 'kettle', 'lamp', 'backpack']) {
    answers.push((await client.searchSingleIndex({ indexName: 'products', searchParams: { query } })).nbHits);
  }
  return { answers, ms: Date.now() - began };
}

// Writes that become visible late.
async function late(at) {
  const client = connect(at);
  const indexName = 'products';
  const { taskID } = await client.saveObject({ indexName, body: { objectID: 'late', name: 'Late' } });
  const before = await refusal(client.getObject({ indexName, objectID: 'late' }));
  const pending = (await client.getTask({ indexName, taskID })).status;
  const after = await client.waitForTask({ indexName, taskID });
  return { before, pending, after, name: (await client.getObject({ indexName, objectID: 'late' })).name };
}

async function settings(at) {
  const client = connect(at);
  const indexName = 'cups';
  const wanted = {
    searchableAttributes: ['unordered(name)', 'brand,maker'],
    attributesForFaceting: ['searchable(brand)', 'filterOnly(seg)'],
    customRanking: ['desc(sold)'],
    hitsPerPage: 7,
  };
  const { taskID } = await client.setSettings({ indexName, indexSettings: wanted, forwardToReplicas: true });
  await client.waitForTask({ indexName, taskID });
  const all = await client.getSettings({ indexName });
  return { wanted, got: Object.fromEntries(Object.keys(wanted).map((name) => [name, all[name]])), all };
}

async function rules(at) {
  const client = connect(at);
  const indexName = 'products';
  const made = Array.from({ length: 5 }, (_, n) => ({
    objectID: `rule-${n}`,
    description: `Boost ${n}`,
    conditions: [{ context: n % 2 ? 'odd' : 'even' }],
    consequence: { params: { optionalFilters: [`brand:Kestrel<score=${n + 1}>`] } },
  }));
  const saved = await client.saveRules({ indexName, rules: made, clearExistingRules: true });
  await client.waitForTask({ indexName, taskID: saved.taskID });
  const one = await client.saveRule({
    indexName,
    objectID: 'hide',
    rule: {
      objectID: 'hide',
      conditions: [{ pattern: 'kettle', anchoring: 'is' }],
      consequence: { hide: [{ objectID: 'p-01' }] },
    },
  });
  await client.waitForTask({ indexName, taskID: one.taskID });
  const found = await client.searchRules({ indexName, searchRulesParams: { context: 'odd', hitsPerPage: 1 } });
  const browsedIds = [];
  await client.browseRules({
    indexName,
    searchRulesParams: { hitsPerPage: 2 },
    aggregator: (page) => browsedIds.push(...page.hits.map((rule) => rule.objectID)),
  });
  const dropped = await client.deleteRule({ indexName, objectID: 'rule-0' });
  await client.waitForTask({ indexName, taskID: dropped.taskID });
  return {
    found: { nbHits: found.nbHits, nbPages: found.nbPages, page: found.page, hits: found.hits.length },
    browsed: browsedIds.sort(),
    rule: await client.getRule({ indexName, objectID: 'hide' }),
    gone: await refusal(client.getRule({ indexName, objectID: 'rule-0' })),
  };
}

async function searches(at) {
  const client = connect(at, at.searchKey);
  const single = await client.searchSingleIndex({
    indexName: 'products',
    searchParams: {
      query: 'ketle',
      facets: ['brand'],
      optionalFilters: ['brand:Kestrel<score=2>'],
      getRankingInfo: true,
      clickAnalytics: true,
      attributesToRetrieve: ['name', 'brand'],
    },
  });
  const several = await client.search({
    requests: [
      { indexName: 'products', query: 'lamp', hitsPerPage: 3, page: 1 },
      { indexName: 'products', type: 'facet', facet: 'brand', facetQuery: 'ke' },
    ],
  });
  return {
    single,
    hits: (await client.searchForHits({ requests: [{ indexName: 'products', query: 'tent' }] })).results[0].nbHits,
    several: several.results,
    facets: await client.searchForFacetValues({
      indexName: 'products',
      facetName: 'brand',
      searchForFacetValuesRequest: { facetQuery: 'pom', params: 'filters=in_stock%3Atrue' },
    }),
    refused: await refusal(
      client.searchSingleIndex({ indexName: 'products', searchParams: { optionalFilter: ['brand:Kestrel'] } }),
    ),
    forbidden: await refusal(client.saveObjects({ indexName: 'products', objects: [{ objectID: 'x' }] })),
    stranger: await refusal(connect(at, 'no-such-key').searchSingleIndex({ indexName: 'products' })),
  };
}

export const steps = { records, replaced, indices, odds, faults, late, settings, rules, searches };
