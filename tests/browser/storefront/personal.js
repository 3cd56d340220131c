// A small shop whose searches are personalized by /algosync.js, which comes from another origin. In its address `api` and
// `public` or `visitor` tell where the API is and how it is asked; `own` holds parameters of the page's.
import { algolia, asked, card, searchOf, shelf, widgets } from './algolia.js';

const api = asked.get('api');
const search = searchOf();
const keys = asked.get('visitor')?.split(',');
window.shop = { search, experiences: [], renewed: 0 };

function personalize({ algosync, middleware }) {
  const shop = algosync({
    url: api,
    publicKey: asked.get('public') ?? undefined,
    visitorKey: keys && (async () => keys[window.shop.renewed++]),
    wait: asked.has('wait') ? Number(asked.get('wait')) : undefined,
    algolia,
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
  const toggle = Object.assign(document.createElement('input'), { id: 'toggle', type: 'checkbox' });
  document.querySelector('#control').append(toggle, ' For you');
  toggle.checked = shop.consent() === 'for_you';
  toggle.addEventListener('change', () => shop.consent(toggle.checked ? 'for_you' : 'not_personalized'));
  window.shop.shop = shop;
}

const item = card('Buy', (hit) =>
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
  }),
);

search.addWidgets([
  widgets.configure({ hitsPerPage: 8, ...JSON.parse(asked.get('own') ?? '{}') }),
  ...shelf(item),
  widgets.refinementList({ container: '#brands', attribute: 'brand' }),
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
