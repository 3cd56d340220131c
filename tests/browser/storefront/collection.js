// A page with the less common widgets of InstantSearch.js: several indices, facets in an order that the index states,
// hits without pages, rule contexts made from refinements, records like one that is given, trending brands.
/* global instantsearch */
import { asked, searchClient, widgets } from './algolia.js';

const like = asked.get('like');
// The widget infiniteHits breaks when it is rendered before the first hits are there: on a stalled search, and when
// recommendations come first.
const search = instantsearch({ indexName: 'products', searchClient, stalledSearchDelay: 60_000 });

const card = (text) => (hit, { html, components }) =>
  html`<article data-id="${hit.objectID}">${text(hit, components)}<br />${hit.brand} · ${hit.price}</article>`;
const named = card((hit, components) => (components ? components.Snippet({ hit, attribute: 'name' }) : hit.name));
const headed = (name) => ({ templates: { header: () => name } });

search.addWidgets([
  widgets.configure({ hitsPerPage: 8 }),
  widgets.searchBox({ container: '#search' }),
  widgets.sortBy({
    container: '#order',
    items: [
      { label: 'Popular', value: 'products' },
      { label: 'Cheapest', value: 'products_by_price' },
    ],
  }),
  widgets.dynamicWidgets({
    container: '#facets',
    facets: ['*'],
    widgets: [
      (container) => widgets.panel(headed('Brand'))(widgets.refinementList)({ container, attribute: 'brand' }),
      (container) =>
        widgets.panel(headed('Category'))(widgets.hierarchicalMenu)({
          container,
          attributes: ['categories.lvl0', 'categories.lvl1'],
        }),
    ],
  }),
  widgets.toggleRefinement({ container: '#stock', attribute: 'in_stock' }),
  widgets.numericMenu({
    container: '#price',
    attribute: 'price',
    items: [{ label: 'All' }, { label: 'Under 40', end: 39 }, { label: '40 and more', start: 40 }],
  }),
  widgets.breadcrumb({ container: '#crumbs', attributes: ['categories.lvl0', 'categories.lvl1'] }),
  widgets.currentRefinements({ container: '#current' }),
  widgets.queryRuleContext({ trackedFilters: { brand: (values) => values } }),
  widgets.queryRuleCustomData({
    container: '#notice',
    templates: { default: ({ items }, { html }) => items.map(({ banner }) => html`<p>${banner}</p>`) },
  }),
  widgets.infiniteHits({ container: '#hits', templates: { item: named } }),
  widgets.index({ indexName: 'articles' }).addWidgets([
    widgets.configure({ hitsPerPage: 3 }),
    widgets.hits({
      container: '#articles',
      templates: { item: card((hit, components) => components.Highlight({ hit, attribute: 'title' })) },
    }),
  ]),
]);

const recommendations = [widgets.trendingFacets({ container: '#trending', facetName: 'brand', limit: 3 })];

if (like) {
  const hit = JSON.parse(like);
  search.addWidgets([
    widgets.index({ indexName: 'products', indexId: 'like' }).addWidgets([
      widgets.configure({ hitsPerPage: 4 }),
      widgets.EXPERIMENTAL_configureRelatedItems({
        hit,
        matchingPatterns: { brand: { score: 3 }, 'categories.lvl1': { score: 2 } },
      }),
      widgets.hits({ container: '#like', templates: { item: named } }),
    ]),
  ]);
  recommendations.push(
    widgets.relatedProducts({
      container: '#related',
      objectIDs: [hit.objectID],
      limit: 3,
      fallbackParameters: { query: '', facetFilters: ['brand:Pomona'] },
      templates: { item: named },
    }),
  );
}

// The first render of all comes with the state `loading`, before any hits.
search.on('render', function recommend() {
  if (!search.mainIndex.getResults()) return;
  search.removeListener('render', recommend);
  search.addWidgets(recommendations);
});
search.start();
window.shop = { search };
