// A create whose first answer is lost on the way: the official Node SDK repeats it by itself.
//
// Usage: node --input-type=module - URL TOKEN < lost_answer.mjs, in a folder that has the SDK; URL leads to a proxy that
// swallows the first answer.

import assert from 'node:assert/strict';
import Kernel from '@onkernel/sdk';

const [url, token] = process.argv.slice(-2);
const counts = [];
const { credentials } = new Kernel({
  apiKey: token,
  baseURL: url,
  fetch: (address, init) => {
    counts.push(new Headers(init.headers).get('x-stainless-retry-count'));
    return fetch(address, init);
  },
});
const created = await credentials.create({ name: 'lost and found', domain: 'example.com', values: { a: 'b' } });
assert.deepEqual(counts, ['0', '1']);
const listed = [];
for await (const one of credentials.list()) listed.push(one.id);
assert.deepEqual(listed, [created.id]);
console.log('ok');
