// The official client, `algoliasearch`, connected to the mock; and what it says where it is refused.
import { algoliasearch } from 'algoliasearch';

const TIMEOUTS = { connect: 20_000, read: 20_000, write: 30_000 };

export function hosts(at) {
  return [{ url: at.host, port: at.port, protocol: 'http', accept: 'readWrite' }];
}

export function connect(at, key = at.adminKey, options = {}) {
  return algoliasearch(at.appId, key, { hosts: hosts(at), timeouts: TIMEOUTS, ...options });
}

// What a refused call was refused with.
export async function refusal(call) {
  try {
    await call;
  } catch (error) {
    return { name: error.name, status: error.status, message: error.message };
  }
  throw new Error('the call was not refused');
}
