// GET: the key of this browser's visitor, for /algosync.js. POST {consent}: her choice, and with it her token.
import { randomUUID } from 'node:crypto';

import { cookies } from 'next/headers';

import { visitor, visitorKey } from '../../lib/visitor.js';

const PRIVATE = { headers: { 'cache-control': 'private, no-store' } };
const KEPT = { httpOnly: true, sameSite: 'lax', path: '/', maxAge: 180 * 24 * 3600, secure: process.env.SHOP_TLS === '1' };

export async function GET() {
  const { token } = await visitor();
  return token ? Response.json({ key: visitorKey(token) }, PRIVATE) : new Response(null, { status: 403, ...PRIVATE });
}

export async function POST(request) {
  const { consent } = await request.json();
  const jar = await cookies();
  jar.set('consent', consent === 'for_you' ? consent : 'not_personalized', KEPT);
  if (consent !== 'for_you') jar.delete('visitor');
  else if (!jar.has('visitor')) jar.set('visitor', randomUUID(), KEPT);
  return new Response(null, { status: 204, ...PRIVATE });
}
