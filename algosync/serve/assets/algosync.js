// algosync in the browser: asks for a visitor's experience, puts it into searches, tells what she does.
//
// A module without dependencies; nothing in it is secret. `algosync(options)` is a client for any page, `searchClient`
// wraps an Algolia client, `middleware` puts the same around the client of an InstantSearch that is given to `use`.
//
// It works at the client, not in the widgets' state: there every search of InstantSearch comes by, of all its indices
// and of Recommend, on a server too (react-instantsearch-nextjs), after the page's own parameters are known. So ours can
// be added to them and never replace them, and a search is held back instead of being sent twice.
//
// One query is one index and one question (where, query, objectID, context). Its filters are decided once: by the answer
// that comes within `wait` ms, or else to be none. Further pages and refinements keep them, so that page 2 never repeats
// page 1; other words, another place, index, visitor or choice of consent is the next query, and is asked about anew.
// Whatever goes wrong is one warning, a pause that grows to a minute, and searches as they would be without algosync.
//
// Under a Content-Security-Policy: script-src and connect-src need the API's origin, connect-src that of Insights.

const CONTEXTS_MAX = 10;
const BATCH = 50; // events that the API counts as one request
const KEPT = 500; // events kept while nothing answers
const KEEPALIVE_BYTES = 60_000;
const PAUSE_MAX = 60_000;
const LISTS = ['optionalFilters', 'ruleContexts', 'analyticsTags'];
const OURS_ONLY = ['eventID', 'sessionID', 'orderID', 'consent', 'context'];
const WRAPPED = Symbol('algosync');
const METHODS = { viewed: ['view'], clicked: ['click'], converted: ['conversion'] };
METHODS.addedToCart = ['conversion', 'addToCart'];
METHODS.purchased = ['conversion', 'purchase'];

const inBrowser = () => typeof document !== 'undefined';
const listed = (value) => (value === undefined || value === null ? [] : [].concat(value));
const same = (one) => (other) => JSON.stringify(one) === JSON.stringify(other);

// A random UUID, 122 bits; crypto.randomUUID is missing where a page has no TLS.
function unguessable() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  return [...bytes].map((byte, at) => ([4, 6, 8, 10].includes(at) ? '-' : '') + byte.toString(16).padStart(2, '0')).join('');
}

// An id as `transform = "safe"` makes it: Algolia's alphabet, at most 128 characters, different ids staying different.
// Keyed hashes (`hmac`) are for the server alone: their key must not be here.
export async function safe(id) {
  if (!id || (/^[a-zA-Z0-9_=/+-]{1,128}$/.test(id) && !id.startsWith('=='))) return id;
  const raw = new TextEncoder().encode(id);
  const escaped = (byte) => {
    const letter = String.fromCharCode(byte);
    return /[a-zA-Z0-9_/+-]/.test(letter) ? letter : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  };
  const made = `==${[...raw].map(escaped).join('')}`;
  if (made.length <= 128) return made;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', raw));
  return `====${btoa(String.fromCharCode(...digest)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')}`;
}

// What a visitor key (a signed token), or one of Algolia's secured API keys, says of itself; the server verifies it.
function claims(key) {
  const part = key.split('.')[1];
  if (part) {
    const said = JSON.parse(atob(part.replace(/-/g, '+').replace(/_/g, '/')));
    return { key, token: said.sub, until: said.exp * 1000 };
  }
  const said = new URLSearchParams(atob(key).slice(64));
  return { key, token: said.get('userToken'), until: (Number(said.get('validUntil')) || Infinity) * 1000 };
}

// A key, or a function that fetches one: asked again shortly before the key runs out, never twice at once.
function keyring(given) {
  let held;
  let fetching;
  return {
    now: () => (held && held.until > Date.now() ? held : undefined),
    get(fresh = false) {
      if (!fresh && held && held.until - 30_000 > Date.now()) return held;
      if (typeof given === 'string') return (held = claims(given));
      fetching ??= Promise.resolve(given())
        .then((key) => (held = claims(key)))
        .finally(() => (fetching = undefined));
      return fetching;
    },
    renewable: typeof given === 'function',
  };
}

// First-party storage, shared by the shop's pages; one page's memory where there is none.
function memory(name) {
  let held = {};
  let blocked = false;
  const storage = () => (inBrowser() ? window.localStorage : undefined);
  return {
    get() {
      try {
        return blocked ? held : JSON.parse(storage().getItem(name)) ?? {};
      } catch {
        return held;
      }
    },
    set(changes) {
      held = { ...this.get(), ...changes };
      try {
        storage().setItem(name, JSON.stringify(held));
        blocked = false;
      } catch {
        blocked = true; // or full, where reading still works: it lasts as long as the page
      }
    },
  };
}

// Texts must all hold: `a OR b` of either side is put in brackets first.
function joined(...texts) {
  const parts = [];
  for (const text of texts) {
    let depth = 0;
    let part = { text: '', or: false };
    const done = () => parts.push(part.or ? `(${part.text.trim()})` : part.text.trim());
    for (const piece of text.match(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[()]|\s+(?:AND|OR)\s+|[^]/gi) ?? []) {
      depth += piece === '(' ? 1 : piece === ')' ? -1 : 0;
      const word = depth ? '' : piece.trim().toUpperCase();
      if (word === 'AND') {
        done();
        part = { text: '', or: false };
      } else part = { text: part.text + piece, or: part.or || word === 'OR' };
    }
    done();
  }
  return [...new Set(parts)].join(' AND ');
}

// Parameters with ours laid beside the caller's, which come first and stay as they are.
export function merged(own, ours) {
  const made = { ...own };
  for (const [name, value] of Object.entries(ours ?? {})) {
    if (LISTS.includes(name)) {
      made[name] = listed(own[name]);
      for (const item of listed(value)) if (!made[name].some(same(item))) made[name].push(item);
    } else if (name === 'filters' && own.filters) made.filters = joined(own.filters, value);
    // A token that search-insights made up is nobody's choice.
    else if (own[name] === undefined || (name === 'userToken' && /^anonymous-/.test(own[name]))) made[name] = value;
  }
  if (ours?.ruleContexts) made.ruleContexts.splice(Math.max(CONTEXTS_MAX, listed(own.ruleContexts).length));
  return made;
}

// One visitor's client. Options: `url` of the API; `publicKey`, or `visitorKey` (or a function that fetches one);
// `consent`, what holds until she chooses ('not_personalized' unless set); `algolia` {appId, apiKey, host} for events;
// `userToken` where the shop has an unguessable one; `wait` and `timeout` in ms; `name` in the browser's storage.
export function algosync(options) {
  const { url, publicKey, consent: unchosen = 'not_personalized', wait = 80, timeout = 3000, algolia } = options;
  const base = url.replace(/\/+$/, '');
  const kept = memory(options.name ?? 'algosync');
  const own = options.visitorKey ? keyring(options.visitorKey) : undefined;
  const listeners = new Set();
  let login;
  let failures = 0;
  let restUntil = 0;
  let warned = false;
  let nobody;
  let queue = [];
  let timer;

  const choice = () => kept.get().choice ?? unchosen;
  const allowed = () => choice() === 'for_you';
  const changed = () => listeners.forEach((listener) => listener());

  function warn(why) {
    if (!warned) console.warn(`algosync: ${why}; the page goes on without personalization`);
    warned = true;
  }

  function rest(why, seconds = 0) {
    failures += 1;
    restUntil = Date.now() + Math.max(Math.min(PAUSE_MAX, 1000 * 2 ** (failures - 1)), seconds * 1000);
    warn(why);
  }

  function anonymous() {
    if (options.userToken) return options.userToken;
    if (!kept.get().token && inBrowser()) kept.set({ token: unguessable() });
    return kept.get().token;
  }

  // Who she is: {key, token} to ask by, `device` under which her events go beside it. Nobody without consent.
  async function identity(fresh) {
    const mine = own ? await own.get(fresh) : { key: publicKey, token: anonymous() };
    const account = login ? await login.get(fresh) : undefined;
    return { ...(account ?? mine), device: mine.token, authenticated: account?.token };
  }

  // As far as it is known without asking anybody.
  function known() {
    if (!allowed()) return undefined;
    const mine = own ? own.now() : anonymous() && { key: publicKey, token: anonymous() };
    const account = login?.now();
    if (!mine || (login && !account)) return undefined;
    return { ...(account ?? mine), device: mine.token, authenticated: account?.token };
  }

  const post = (address, body, more) =>
    fetch(address, { method: 'POST', mode: 'cors', credentials: 'omit', body, ...more });

  // A request to the API: its JSON, or null where there is none; never an error.
  async function call(path, body, { who = identity, keepalive = false } = {}) {
    if (Date.now() < restUntil) return null;
    try {
      for (const fresh of [false, true]) {
        const { key, token } = await who(fresh);
        if (!key) return null;
        const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
        const signal = keepalive ? undefined : AbortSignal.timeout?.(timeout);
        const answer = await post(base + path, JSON.stringify(body(token)), { headers, signal, keepalive });
        if (answer.ok) {
          const document = await answer.json();
          failures = 0;
          return document;
        }
        if (answer.status === 401 && !fresh && (login ?? own)?.renewable) continue;
        // A token that has come to belong to an account opens nothing by a public key, and never will.
        if (answer.status === 403 && !fresh && key === publicKey && who === identity && kept.get().token === token) {
          kept.set({ token: undefined });
          continue;
        }
        const why = `the API answered ${answer.status}`;
        if ([400, 413, 422].includes(answer.status)) warn(why);
        else rest(why, Number(answer.headers.get('retry-after')) || 0);
        return null;
      }
    } catch (error) {
      rest(`the API cannot be asked (${error.name})`);
    }
    return null;
  }

  // The experience, or null. Without consent it is asked for somebody who is never heard of again.
  async function experience(question = {}) {
    flush();
    if (!inBrowser() && !own) return null;
    if (kept.get().untold && Date.now() >= restUntil) await tell();
    // What the API knows it need not be told: she may have chosen otherwise since, on another device.
    const consent = allowed() && !kept.get().untold ? undefined : choice();
    const who = allowed() ? identity : () => ({ key: publicKey, token: (nobody ??= unguessable()) });
    return call('/v1/experience', (token) => ({ ...question, userToken: token, consent }), { who });
  }

  // Her choice, or, without an argument, the one that holds. It is told to the API until the API has it.
  function consent(chosen, source = 'storefront') {
    if (chosen === undefined) return choice();
    if (!['for_you', 'not_personalized'].includes(chosen)) throw new TypeError(`consent: ${chosen} is unknown`);
    if (chosen === 'for_you') kept.set({ choice: chosen, untold: { source }, withdrawn: undefined });
    else {
      queue = [];
      const { token, withdrawn } = kept.get();
      kept.set({ choice: chosen, untold: token || own || login ? { source } : undefined, token: undefined });
      kept.set({ withdrawn: token ?? withdrawn });
    }
    changed();
    return tell();
  }

  // A withdrawn token is kept until the API knows of it, and for nothing else.
  let telling;
  function tell() {
    const { choice: consent, untold, withdrawn } = kept.get();
    if (!untold || telling || !inBrowser()) return telling ?? Promise.resolve(!untold);
    const device = () => own?.get() ?? { key: publicKey, token: withdrawn ?? (allowed() ? anonymous() : options.userToken) };
    const asked = [device, ...(login ? [() => login.get()] : [])];
    const one = (who) => call('/v1/consent', (userToken) => ({ userToken, consent, ...untold }), { who, keepalive: true });
    const nothing = (who) => !own && who === device && !device().token;
    telling = Promise.all(asked.map((who) => nothing(who) || one(who))).then((done) => {
      telling = undefined;
      if (!done.every(Boolean)) return false;
      if (kept.get().choice === consent) kept.set({ untold: undefined, withdrawn: undefined });
      return true;
    });
    return telling;
  }

  // Events of Insights' schema, to Insights (where `algolia` is given) and a copy to the API; nothing without consent.
  function send(events, { copy = false } = {}) {
    if (!allowed()) return;
    const who = known();
    const stamped = listed(events).map((event) => {
      const made = { eventID: unguessable(), timestamp: Date.now(), ...event, consent: kept.get().choice };
      return { event: made, who, to: algolia && !copy ? ['insights', 'api'] : ['api'] };
    });
    queue = [...queue, ...stamped].slice(-KEPT);
    timer ??= setTimeout(flush, 100);
    if (!who) identity().then(flush, (error) => rest(`no visitor key (${error.name})`));
  }

  function flush() {
    clearTimeout(timer);
    timer = undefined;
    if (!queue.length || !allowed()) return;
    const waiting = [];
    const groups = new Map();
    for (const item of queue) {
      item.who ??= known();
      for (const to of item.who ? item.to : []) {
        const group = `${to} ${item.who.key}`;
        if (to === 'api' && Date.now() < restUntil) continue;
        groups.set(group, [...(groups.get(group) ?? []), item]);
        item.to = item.to.filter((other) => other !== to);
      }
      if (item.to.length) waiting.push(item);
    }
    queue = waiting;
    for (const [group, items] of groups) {
      while (items.length) group.startsWith('api') ? copied(items.splice(0, BATCH)) : told(items.splice(0, BATCH));
    }
  }

  const named = ({ event, who }) => ({
    ...event,
    userToken: who.device,
    ...(who.authenticated ? { authenticatedUserToken: who.authenticated } : {}),
  });

  // Text without a header of ours needs no preflight, so that it is sent even when the page is on its way out.
  function simple(address, query, events) {
    const body = JSON.stringify({ events });
    return post(`${address}/1/events?${new URLSearchParams(query)}`, body, { keepalive: body.length < KEEPALIVE_BYTES });
  }

  async function told(items) {
    const { host = 'https://insights.algolia.io', appId, apiKey } = algolia;
    const events = items.map(named).map((event) => {
      return Object.fromEntries(Object.entries(event).filter(([name]) => !OURS_ONLY.includes(name)));
    });
    const query = { 'X-Algolia-Application-Id': appId, 'X-Algolia-API-Key': apiKey, 'X-Algolia-Agent': 'algosync' };
    await simple(host, query, events).catch(() => warn('Insights cannot be reached'));
  }

  async function copied(items) {
    const events = items.map(named);
    const { key } = items[0].who;
    const body = JSON.stringify({ events });
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const again = (why, wait) => {
      rest(why, wait);
      queue = [...items.map((item) => ({ ...item, to: ['api'] })), ...queue].slice(0, KEPT);
    };
    try {
      const answer = await (key === publicKey
        ? simple(base, { 'x-algolia-api-key': key }, events)
        : post(`${base}/1/events`, body, { headers, keepalive: body.length < KEEPALIVE_BYTES }));
      if (answer.ok) failures = 0;
      else if (answer.status === 429 || answer.status >= 500)
        again(`the API answered ${answer.status} to events`, Number(answer.headers.get('retry-after')) || 0);
      else warn(`the API answered ${answer.status} to events`);
    } catch (error) {
      again(`events cannot be sent (${error.name})`);
    }
  }

  // Tells that an action was shown, for its cap.
  async function impression(action) {
    return allowed() && (await call('/v1/impressions', (userToken) => ({ userToken, action }), { keepalive: true })) !== null;
  }

  // She logged in: the visitor key of her account, or a function that fetches one. Nothing: she logged out, and whoever
  // is there now begins with a token of her own, since the one before belongs to the account.
  function identify(key) {
    flush();
    if (login && !key) kept.set({ token: undefined });
    login = key ? keyring(key) : undefined;
    if (login) Promise.resolve(login.get()).catch((error) => rest(`no visitor key (${error.name})`));
    changed();
  }

  if (inBrowser()) {
    addEventListener('pagehide', flush);
    document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && flush());
    tell();
  }

  const client = { experience, send, consent, impression, identify, flush, wait, allowed, known };
  client.ready = async () => allowed() && identity();
  client.refused = () => kept.get().choice === 'not_personalized';
  client.searchClient = (searching, more) => searchClient(client, searching, more);
  client.middleware = (more) => middleware(client, more);
  client.onChange = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return Object.defineProperty(client, 'userToken', { get: () => known()?.token, enumerable: true });
}

// An Algolia client (4, 5, full or lite) whose searches carry the visitor's experience. Options: `where` (or a function
// of a search's parameters and index), `objectID`, `context`; `indices` to personalize, all unless set; `wait`;
// `initial` {question, experience} that a server has asked for; `onExperience(experience, inTime)`.
export function searchClient(shop, searching, options = {}) {
  if (searching[WRAPPED]) return searching;
  const { where = 'any', objectID, context, indices, initial, onExperience = () => {} } = options;
  const held = new Map();
  const shown = { stale: false }; // whether the visitor has changed since the last search
  shop.onChange(() => {
    held.clear();
    shown.stale = true;
  });

  function asked(index, params) {
    const place = typeof where === 'function' ? where(params, index) : where;
    const question = { where: place, query: params?.query || undefined, objectID, context, index };
    return JSON.parse(JSON.stringify(question));
  }

  // The parameters that are decided for one query: known, or soon.
  function decided(question) {
    const entry = { index: question.index };
    const answer = shop.experience(question);
    const late = new Promise((done) => setTimeout(done, options.wait ?? shop.wait));
    entry.soon = Promise.race([answer, late]).then((experience) => {
      entry.experience = experience ?? null;
      if (!experience) answer.then((later) => later && onExperience(later, false));
      else onExperience(experience, true);
      return entry.experience;
    });
    return entry;
  }

  // The experience of each request. Of an index, only what this batch asks about is held on to.
  function experiences(requests, question) {
    const keys = requests.map((request) => {
      const { indexName: index } = request;
      const apart = request.type === 'facet' || (indices && !indices.includes(index));
      return apart ? undefined : question(index, request);
    });
    const texts = keys.map((key) => key && JSON.stringify(key));
    for (const [text, { index }] of held) {
      if (!texts.includes(text) && keys.some((key) => key?.index === index)) held.delete(text);
    }
    return texts.map((text, at) => {
      if (!text) return undefined;
      if (!held.has(text)) held.set(text, decided(keys[at]));
      return held.get(text);
    });
  }

  // Sends requests with what is decided for each; at once where everything is known.
  function carried(entries, send) {
    const all = entries.filter(Boolean);
    if (all.every((entry) => entry.experience !== undefined)) return send(entries.map((entry) => entry?.experience));
    return Promise.all(entries.map((entry) => entry?.soon)).then(send);
  }

  function search(requests, ...rest) {
    const many = Array.isArray(requests) ? requests : requests?.requests;
    shown.stale = false;
    if (!many) return searching.search(requests, ...rest); // a composition
    const laid = (ours) =>
      many.map((request, at) => {
        const parameters = ours(at);
        if (!parameters || request.type === 'facet') return request;
        return request.params ? { ...request, params: merged(request.params, parameters) } : merged(request, parameters);
      });
    const sent = (made) => searching.search(Array.isArray(requests) ? made : { ...requests, requests: made }, ...rest);
    if (!shop.allowed()) return sent(laid(() => shop.refused() && { enablePersonalization: false }));
    const entries = experiences(many, (index, request) => asked(index, request.params ?? request));
    // Whoever has withdrawn her consent meanwhile is searched for as anybody.
    return carried(entries, (found) => sent(laid((at) => shop.allowed() && found[at]?.search)));
  }

  function getRecommendations(requests, ...rest) {
    const many = Array.isArray(requests) ? requests : requests.requests;
    const sent = (found) => {
      const made = many.map((request, at) => recommended(request, shop.allowed() && found[at]?.recommend));
      return searching.getRecommendations(Array.isArray(requests) ? made : { ...requests, requests: made }, ...rest);
    };
    if (!shop.allowed()) return sent([]);
    // What is held of the index serves: recommendations do not depend on the query.
    const held1 = (index) => [...held.values()].find((entry) => entry.index === index);
    const entries = many.map(({ indexName: index }) => {
      if (indices && !indices.includes(index)) return undefined;
      return held1(index) ?? experiences([{ indexName: index }], asked)[0];
    });
    return carried(entries, sent);
  }

  if (initial) {
    const { index, query, ...more } = initial.question;
    const known = { where: 'any', query: query || undefined, objectID, context, index, ...more };
    const text = JSON.stringify(JSON.parse(JSON.stringify(known)));
    held.set(text, { index, experience: initial.experience ?? null });
  }
  // The parts of the other clients stay reachable, whether they are own or inherited.
  const client = Object.create(searching, Object.getOwnPropertyDescriptors(searching));
  Object.assign(client, { search, [WRAPPED]: shown });
  if (searching.getRecommendations) client.getRecommendations = getRecommendations;
  return client;
}

// Fallback parameters are added to and never introduced: with any at all, Algolia fills up with what nobody asked for.
function recommended(request, ours) {
  if (!ours) return request;
  const made = { ...request, queryParameters: merged(request.queryParameters ?? {}, ours.queryParameters) };
  if (request.fallbackParameters) made.fallbackParameters = merged(request.fallbackParameters, ours.fallbackParameters);
  return made;
}

// For `search.use(…)`: wraps the client unless it is wrapped already, gives search-insights our userToken, copies the
// events of the widgets here, and searches again when the visitor's choice or account changes. Options as of
// `searchClient`, and `insightsClient` where it is not `window.aa`.
export function middleware(shop, options = {}) {
  return ({ instantSearchInstance: search }) => {
    const viewed = new Set();
    let inner = search.sendEventToInsights;
    let adopted;
    let before;
    let stop;

    function insights(...call) {
      if (!inBrowser()) return;
      const client = options.insightsClient ?? search.insightsClient ?? window[window.AlgoliaAnalyticsObject || 'aa'];
      if (typeof client === 'function') client(...call);
    }

    // Not before the visitor key is there; it is fetched for the first question too, and once for both.
    const adoptSoon = () => shop.ready().then(adopt, () => {});

    // Set on the state first: the insights middleware searches again only for a token that the state does not have.
    function adopt() {
      const helper = search.mainHelper;
      const token = shop.known()?.device;
      if (!helper || token === adopted) return;
      const now = token ?? `anonymous-${unguessable()}`;
      helper.overrideStateWithoutTriggeringChangeEvent({ ...helper.state, userToken: now });
      adopted = token;
      insights('setUserToken', now);
    }

    function again() {
      if (!search.started) return;
      search.mainHelper._recommendCache = {};
      search.mainHelper.clearCache();
      search.scheduleSearch();
    }

    function copy({ insightsMethod = '', payload = {} }) {
      const [eventType, eventSubtype] = METHODS[insightsMethod.split(/ObjectIDs|Filters/)[0]] ?? [];
      if (!eventType) return;
      const { algoliaSource, authenticatedUserToken, userToken, ...event } = payload;
      if (eventType === 'view' && event.objectIDs) {
        const fresh = (id) => !viewed.has(`${event.queryID} ${id}`) && viewed.add(`${event.queryID} ${id}`);
        event.objectIDs = event.objectIDs.filter(fresh);
        if (!event.objectIDs.length) return;
      }
      shop.send({ eventType, ...(eventSubtype && { eventSubtype }), ...event }, { copy: true });
    }

    // InstantSearch's insights may be switched on before or after us, so the place it uses is watched.
    function watch() {
      const told = (event) => {
        if (shop.refused()) return;
        const objectIDs = event.payload?.objectIDs;
        inner?.(event);
        copy({ ...event, payload: { ...event.payload, ...(objectIDs && { objectIDs }) } });
      };
      const set = (other) => (inner = other);
      Object.defineProperty(search, 'sendEventToInsights', { configurable: true, enumerable: true, get: () => told, set });
    }

    return {
      $$type: 'algosync',
      subscribe() {
        const helper = search.mainHelper;
        before = helper.getClient();
        helper.setClient(searchClient(shop, before, options));
        watch();
        adopt();
        adoptSoon();
        stop = shop.onChange(() => {
          adopt();
          adoptSoon();
          again();
        });
      },
      started() {
        adopt();
        // React attaches us when the page can be used already, and allows searches a little later.
        const client = search.mainHelper.getClient();
        setTimeout(() => client[WRAPPED].stale && again());
      },
      onStateChange: adopt,
      unsubscribe() {
        stop?.();
        search.mainHelper?.setClient(before);
        Object.defineProperty(search, 'sendEventToInsights', { configurable: true, enumerable: true, writable: true, value: inner });
      },
    };
  };
}
