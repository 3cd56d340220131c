// A small shop on InstantSearch.js, as its documentation builds one. Where the application runs stands in the address:
// ?host=127.0.0.1:1234&app=…&key=…, with `product` for the page of one product and `user` for a known visitor.
/* global instantsearch */
const asked = new URLSearchParams(location.search);
const [host, port] = asked.get('host').split(':');
const product = asked.get('product');
const { liteClient } = window['algoliasearch/lite'];
const { widgets } = instantsearch;

const VISITORS = {
  anyone: {},
  'Kestrel fan': { optionalFilters: ['brand:Kestrel<score=3>', ['categories.lvl0:Outdoor<score=2>', 'in_stock:true']] },
  'not Halden': { optionalFilters: ['brand:-Halden'] },
  camper: { ruleContexts: ['seg_camper'] },
};

const search = instantsearch({
  indexName: 'products',
  searchClient: liteClient(asked.get('app'), asked.get('key'), {
    hosts: [{ url: host, port: Number(port), protocol: 'http', accept: 'readWrite' }],
    timeouts: { connect: 20_000, read: 20_000, write: 20_000 },
  }),
  insights: {
    insightsClient: window.aa,
    insightsInitParams: { host: `http://${host}:${port}`, userToken: asked.get('user') ?? undefined },
  },
  future: { preserveSharedStateOnUnmount: true },
});

const item = (hit, { html, components, sendEvent }) => html`
  <article data-id="${hit.objectID}">
    <a class="name" onClick=${() => sendEvent('click', hit, 'Product Clicked')}>
      ${components ? components.Highlight({ hit, attribute: 'name' }) : hit.name}
    </a>
    <div>${hit.brand} · ${hit.price} €</div>
    <button
      onClick=${() =>
        sendEvent('conversion', hit, 'Product Added To Cart', {
          eventSubtype: 'addToCart',
          objectData: [{ queryID: hit.__queryID, price: hit.price, quantity: 1 }],
          currency: 'EUR',
          value: hit.price,
        })}
    >
      Add to cart
    </button>
  </article>
`;

const recommended = (container, title) => ({
  container,
  templates: { header: (_, { html }) => html`<h3>${title}</h3>`, item },
});

let visitor = widgets.configure({ hitsPerPage: 8, ...VISITORS.anyone });

search.addWidgets([
  visitor,
  widgets.searchBox({ container: '#search', placeholder: 'Search products' }),
  widgets.stats({ container: '#stats' }),
  widgets.hierarchicalMenu({ container: '#categories', attributes: ['categories.lvl0', 'categories.lvl1'] }),
  widgets.refinementList({ container: '#brands', attribute: 'brand', searchable: true }),
  widgets.rangeInput({ container: '#price', attribute: 'price' }),
  widgets.toggleRefinement({ container: '#stock', attribute: 'in_stock', templates: { labelText: () => 'In stock' } }),
  widgets.clearRefinements({ container: '#clear' }),
  widgets.queryRuleCustomData({
    container: '#notice',
    templates: { default: ({ items }, { html }) => items.map(({ banner }) => html`<p>${banner}</p>`) },
  }),
  widgets.hits({ container: '#hits', templates: { item } }),
  widgets.pagination({ container: '#pages' }),
  widgets.trendingItems({ ...recommended('#trending', 'Trending'), limit: 3 }),
]);

if (product) {
  const objectIDs = [product];
  search.addWidgets([
    widgets.relatedProducts({
      ...recommended('#related', 'Related'),
      objectIDs,
      limit: 4,
      queryParameters: { filters: 'in_stock:true' },
    }),
    widgets.frequentlyBoughtTogether({ ...recommended('#together', 'Bought together'), objectIDs, limit: 3 }),
    widgets.lookingSimilar({ ...recommended('#similar', 'Looking similar'), objectIDs, limit: 3 }),
  ]);
}

const choice = document.querySelector('#visitor');
choice.append(...Object.keys(VISITORS).map((name) => new Option(name)));
choice.addEventListener('change', () => {
  search.removeWidgets([visitor]);
  visitor = widgets.configure({ hitsPerPage: 8, ...VISITORS[choice.value] });
  search.addWidgets([visitor]);
});

search.start();
window.shop = { search };
