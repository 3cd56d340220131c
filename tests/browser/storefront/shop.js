// A small shop on InstantSearch.js, as its documentation builds one. In its address `product` makes it the page of one
// product and `user` names a known visitor.
import { asked, card, searchOf, shelf, widgets } from './algolia.js';

const product = asked.get('product');

const VISITORS = {
  anyone: {},
  'Kestrel fan': { optionalFilters: ['brand:Kestrel<score=3>', ['categories.lvl0:Outdoor<score=2>', 'in_stock:true']] },
  'not Halden': { optionalFilters: ['brand:-Halden'] },
  camper: { ruleContexts: ['seg_camper'] },
};

const search = searchOf(asked.get('user'));
const item = card('Add to cart', (hit, sendEvent) =>
  sendEvent('conversion', hit, 'Product Added To Cart', {
    eventSubtype: 'addToCart',
    objectData: [{ queryID: hit.__queryID, price: hit.price, quantity: 1 }],
    currency: 'EUR',
    value: hit.price,
  }),
);

const recommended = (container, title) => ({
  container,
  templates: { header: (_, { html }) => html`<h3>${title}</h3>`, item },
});

let visitor = widgets.configure({ hitsPerPage: 8, ...VISITORS.anyone });

search.addWidgets([
  visitor,
  ...shelf(item),
  widgets.hierarchicalMenu({ container: '#categories', attributes: ['categories.lvl0', 'categories.lvl1'] }),
  widgets.refinementList({ container: '#brands', attribute: 'brand', searchable: true }),
  widgets.rangeInput({ container: '#price', attribute: 'price' }),
  widgets.toggleRefinement({ container: '#stock', attribute: 'in_stock', templates: { labelText: () => 'In stock' } }),
  widgets.clearRefinements({ container: '#clear' }),
  widgets.queryRuleCustomData({
    container: '#notice',
    templates: { default: ({ items }, { html }) => items.map(({ banner }) => html`<p>${banner}</p>`) },
  }),
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

const choice = Object.assign(document.createElement('select'), { id: 'visitor' });
document.querySelector('#control').append('Visitor ', choice);
choice.append(...Object.keys(VISITORS).map((name) => new Option(name)));
choice.addEventListener('change', () => {
  search.removeWidgets([visitor]);
  visitor = widgets.configure({ hitsPerPage: 8, ...VISITORS[choice.value] });
  search.addWidgets([visitor]);
});

search.start();
window.shop = { search };
