'use client';

import { useEffect, useState } from 'react';
import { InstantSearch } from 'react-instantsearch';

import { Products, connected } from '../shop.jsx';

export function Plain() {
  const [search, setSearch] = useState();
  useEffect(() => {
    const asked = Object.fromEntries(new URLSearchParams(window.location.search));
    const algolia = { host: asked.host, appId: asked.app, apiKey: asked.key };
    const { shop, client } = connected({ url: asked.api, algolia, publicKey: asked.public, wait: Number(asked.wait ?? 80) });
    setSearch(shop.searchClient(client, { where: 'home' }));
  }, []);
  if (!search) return <p>Loading</p>;
  return (
    <InstantSearch indexName="products" searchClient={search} future={{ preserveSharedStateOnUnmount: true }}>
      <Products />
    </InstantSearch>
  );
}
