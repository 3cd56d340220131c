'use client';

import { liteClient } from 'algoliasearch/lite';
import { useEffect, useState } from 'react';
import { Configure, Hits, Pagination, SearchBox, useInstantSearch } from 'react-instantsearch';
import { InstantSearchNext } from 'react-instantsearch-nextjs';

import { algosync } from '../lib/algosync.js';

const visitorKey = async () => (await (await fetch('/visitor')).json()).key;
const remember = (consent) => fetch('/visitor', { method: 'POST', body: JSON.stringify({ consent }) });
const where = ({ query }) => (query ? 'search' : 'home');

export function connected({ url, algolia, ...options }) {
  const [address, port] = algolia.host.split(':');
  const hosts = [{ url: address, port: Number(port), protocol: 'http', accept: 'readWrite' }];
  const shop = algosync({ url, algolia: { ...algolia, host: `http://${algolia.host}` }, ...options });
  return { shop, client: liteClient(algolia.appId, algolia.apiKey, { hosts }) };
}

export function Shop({ initial, ...settings }) {
  const [{ shop, searchClient }] = useState(() => {
    const { shop, client } = connected({ ...settings, visitorKey });
    return { shop, searchClient: shop.searchClient(client, { where, initial }) };
  });
  return (
    <InstantSearchNext indexName="products" searchClient={searchClient} future={{ preserveSharedStateOnUnmount: true }}>
      <Personal shop={shop} />
      <Toggle shop={shop} />
      <Products />
    </InstantSearchNext>
  );
}

export function Products() {
  return (
    <>
      <Configure hitsPerPage={8} />
      <SearchBox />
      <Hits hitComponent={({ hit }) => <article data-id={hit.objectID}>{`${hit.name} · ${hit.brand}`}</article>} />
      <Pagination />
    </>
  );
}

// Searches again when she chooses otherwise, and copies the events of the widgets.
export function Personal({ shop }) {
  const { addMiddlewares } = useInstantSearch();
  useEffect(() => addMiddlewares(shop.middleware()), [addMiddlewares, shop]);
  return null;
}

function Toggle({ shop }) {
  const [on, setOn] = useState(shop.consent() === 'for_you');
  const choose = async () => {
    setOn(!on);
    if (on) await shop.consent('not_personalized');
    await remember(on ? 'not_personalized' : 'for_you');
    if (!on) await shop.consent('for_you');
  };
  return (
    <label>
      <input id="toggle" type="checkbox" checked={on} onChange={choose} /> For you
    </label>
  );
}
