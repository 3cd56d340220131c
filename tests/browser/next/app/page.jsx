// The server asks for the experience of the visitor whom the cookie names, and searches with it: the first HTML is hers.
import { algosync } from '../lib/algosync.js';
import { visitor, visitorKey } from '../lib/visitor.js';
import { Shop } from './shop.jsx';

export default async function Page() {
  const { consent, token } = await visitor();
  const wait = Number(process.env.SHOP_WAIT ?? 80);
  const question = { where: 'home', index: 'products' };
  const [host, appId, apiKey] = [process.env.ALGOLIA_HOST, process.env.ALGOLIA_APP, process.env.ALGOLIA_KEY];
  const url = process.env.ALGOSYNC_URL;
  const asking = token && algosync({ url, visitorKey: visitorKey(token, 60), consent, timeout: 1000 });
  const experience = asking ? await asking.experience(question) : null;
  const algolia = { host, appId, apiKey };
  return <Shop url={url} wait={wait} algolia={algolia} consent={consent} initial={{ question, experience }} />;
}
