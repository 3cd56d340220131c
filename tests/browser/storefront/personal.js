// A small shop whose searches are personalized by /algosync.js, which comes from another origin. The address tells where
// Algolia (`host`, `app`, `key`) and the API (`api`, `public` or `visitor`) are; `own` holds parameters of the page's.
/* global instantsearch */
const asked = new URLSearchParams(location.search);
const [host, port] = asked.get('host').split(':');
const api = asked.get('api');
const { liteClient } = window['algoliasearch/lite'];
const { widgets } = instantsearch;
const searchClient = liteClient(asked.get('app'), asked.get('key'), {
  hosts: [{ url: host, port: Number(port), protocol: 'http', accept: 'readWrite' }],
  timeouts: { connect: 20_000, read: 20_000, write: 20_000 },
});

const search = instantsearch({
  indexName: 'products',
  searchClient,
  insights: { insightsClient: window.aa, insightsInitParams: { host: `http://${host}:${port}` } },
  future: { preserveSharedStateOnUnmount: true },
});
const keys = asked.get('visitor')?.split(',');
window.shop = { search, experiences: [], renewed: 0 };

function personalize({ algosync, middleware }) {
  const shop = algosync({
    url: api,
    publicKey: asked.get('public') ?? undefined,
    visitorKey: keys && (async () => keys[window.shop.renewed++]),
    wait: asked.has('wait') ? Number(asked.get('wait')) : undefined,
    algolia: { appId: asked.get('app'), apiKey: asked.get('key'), host: `http://${host}:${port}` },
  });
  search.use(
    middleware(shop, {
      where: ({ query }) => (query ? 'search' : 'home'),
      indices: ['products'],
      onExperience(experience, inTime) {
        window.shop.experiences.push({ strategy: experience.strategy, inTime });
        for (const { id, message } of experience.actions) {
          document.querySelector('#message').textContent = message.title;
          shop.impression(id);
        }
      },
    }),
  );
  if (asked.has('account')) shop.identify(asked.get('account'));
  const toggle = document.querySelector('#toggle');
  toggle.checked = shop.consent() === 'for_you';
  toggle.addEventListener('change', () => shop.consent(toggle.checked ? 'for_you' : 'not_personalized'));
  window.shop.shop = shop;
}

const item = (hit, { html, sendEvent }) => html`
  <article data-id="${hit.objectID}">
    <a class="name" onClick=${() => sendEvent('click', hit, 'Product Clicked')}>${hit.name}</a>
    <div>${hit.brand} · ${hit.price} €</div>
    <button onClick=${() => buy(hit)}>Buy</button>
  </article>
`;

const buy = (hit) =>
  window.shop.shop?.send({
    eventType: 'conversion',
    eventSubtype: 'purchase',
    eventName: 'Product Purchased',
    index: 'products',
    objectIDs: [hit.objectID],
    objectData: [{ price: hit.price, quantity: 1 }],
    currency: 'EUR',
    value: hit.price,
    orderID: 'order-1',
  });

search.addWidgets([
  widgets.configure({ hitsPerPage: 8, ...JSON.parse(asked.get('own') ?? '{}') }),
  widgets.searchBox({ container: '#search', placeholder: 'Search products' }),
  widgets.stats({ container: '#stats' }),
  widgets.refinementList({ container: '#brands', attribute: 'brand' }),
  widgets.hits({ container: '#hits', templates: { item } }),
  widgets.pagination({ container: '#pages' }),
]);
if (asked.has('product')) {
  search.addWidgets([
    widgets.relatedProducts({
      container: '#related',
      objectIDs: [asked.get('product')],
      limit: 4,
      queryParameters: { filters: 'brand:Vireo OR brand:Halden' },
      templates: { item },
    }),
    widgets
      .index({ indexName: 'articles' })
      .addWidgets([widgets.hits({ container: '#articles', templates: { item: (hit) => hit.title } })]),
  ]);
}

// With `later` the page does not wait for the module, and its first search is nobody's.
const module = `${asked.get('module') ?? api}/algosync.js`;
if (!asked.has('later')) personalize(await import(module));
search.start();
if (asked.has('later')) {
  search.once('render', () =>
    import(module)
      .then(personalize, () => {})
      .then(() => (window.shop.loaded = true)),
  );
}
