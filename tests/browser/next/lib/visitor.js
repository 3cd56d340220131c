// Who the visitor is, by cookies that only the server reads and writes, and the key that opens her experience.
import { createHmac } from 'node:crypto';

import { cookies } from 'next/headers';

const encoded = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');

// A standard signed token (JWT, HS256), as `Personalizer.visitor_key` makes them.
export function visitorKey(userToken, seconds = 3600) {
  const now = Math.floor(Date.now() / 1000);
  const said = { sub: userToken, aud: 'algosync', iat: now, exp: now + seconds };
  const text = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded(said)}`;
  const secret = process.env.ALGOSYNC_VISITOR_SECRET;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

export async function visitor() {
  const jar = await cookies();
  const consent = jar.get('consent')?.value === 'for_you' ? 'for_you' : 'not_personalized';
  return { consent, token: consent === 'for_you' ? jar.get('visitor')?.value : undefined };
}
