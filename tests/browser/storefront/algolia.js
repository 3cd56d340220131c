// What the pages of the shop begin with: Algolia where the address says that it is
// (?host=127.0.0.1:1234&app=…&key=…), a search as InstantSearch's documentation builds one, and a product's card.
/* global instantsearch */
export const asked = new URLSearchParams(location.search);
export const { widgets } = instantsearch;
export const algolia = { appId: asked.get('app'), apiKey: asked.get('key'), host: `http://${asked.get('host')}` };

const { hostname, port } = new URL(algolia.host);
export const searchClient = window['algoliasearch/lite'].liteClient(algolia.appId, algolia.apiKey, {
  hosts: [{ url: hostname, port: Number(port), protocol: 'http', accept: 'readWrite' }],
  timeouts: { connect: 20_000, read: 20_000, write: 20_000 },
});

// A search for products, whose clicks search-insights sends; `user` is a visitor who is known.
export const searchOf = (user) =>
  instantsearch({
    indexName: 'products',
    searchClient,
    insights: { insightsClient: window.aa, insightsInitParams: { host: algolia.host, userToken: user ?? undefined } },
    future: { preserveSharedStateOnUnmount: true },
  });

// What is on every page that shows products; a recommended one is not highlighted.
export const shelf = (item) => [
  widgets.searchBox({ container: '#search', placeholder: 'Search products' }),
  widgets.stats({ container: '#stats' }),
  widgets.hits({ container: '#hits', templates: { item } }),
  widgets.pagination({ container: '#pages' }),
];

export const card = (label, press) => (hit, { html, components, sendEvent }) => html`
  <article data-id="${hit.objectID}">
    <a class="name" onClick=${() => sendEvent('click', hit, 'Product Clicked')}>
      ${components ? components.Highlight({ hit, attribute: 'name' }) : hit.name}
    </a>
    <div>${hit.brand} · ${hit.price} €</div>
    <button onClick=${() => press(hit, sendEvent)}>${label}</button>
  </article>
`;
