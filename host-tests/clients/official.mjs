// The official Node SDK against a server whose address it is given, and nothing else changed.
//
// Usage: node --input-type=module - URL TOKEN READ_TOKEN < official.mjs, in a folder that has the SDK.
// READ_TOKEN may only read. Ends with status 0 when everything was as it should be.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import Kernel from '@onkernel/sdk';

const [url, token, readToken] = process.argv.slice(-3);
const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const awkwardNames = ['a b', 'a/b', '100%', 'a%2Fb', 'é日本語', 'user@host:8080', 'a b/c?d#e%é@x:y', 'a+b', 'totp-code'];

let requests = [];
const client = new Kernel({
  apiKey: token,
  baseURL: url,
  fetch: (address, init) => {
    requests.push({ address, ...init });
    return fetch(address, init);
  },
});
const { credentials } = client;

// RFC 6238, with SHA-1 and six digits.
function totp(secret, seconds) {
  const bits = [...secret].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(seconds / 30)));
  const mac = createHmac('sha1', key).update(step).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, '0');
}

async function fails(expected, code, promise) {
  const error = await promise.then(() => assert.fail(`no ${expected.name}`), (error) => error);
  assert.equal(error.constructor, expected, String(error));
  assert.equal(error.error.code, code);
  assert.equal(error.message, `${error.status} ${error.error.message}`);
}

async function aCredentialLives() {
  const values = { username: 'u@example.com', password: 'value-canary' };
  const created = await credentials.create({ name: 'login', domain: 'netflix.com', values });
  assert.equal(created.name, 'login');
  assert.equal(created.domain, 'netflix.com');
  assert.deepEqual(created.value_keys, ['username', 'password']);
  assert.deepEqual([created.has_values, created.has_totp_secret], [true, false]);
  assert.ok(!('sso_provider' in created) && !('totp_code' in created));
  assert.ok(!Number.isNaN(Date.parse(created.created_at)));
  for (const idOrName of [created.id, 'login']) assert.deepEqual(await credentials.retrieve(idOrName), created);
  const change = { values: { password: 'new', pin: '1' }, remove_value_keys: ['username', 'none'] };
  const updated = await credentials.update('login', change);
  assert.deepEqual(updated.value_keys, ['password', 'pin']);
  assert.equal((await credentials.update(created.id, { name: 'renamed' })).name, 'renamed');
  await fails(Kernel.NotFoundError, 'not_found', credentials.retrieve('login'));
  await credentials.delete('renamed');
  for (const idOrName of [created.id, 'renamed']) {
    await fails(Kernel.NotFoundError, 'not_found', credentials.delete(idOrName));
  }
}

async function clearsByEmptyAndByNull() {
  const body = { name: 'clear', domain: 'example.com', values: { a: 'b' }, sso_provider: 'google', totp_secret: secret };
  assert.equal((await credentials.create(body)).sso_provider, 'google');
  assert.ok(!('sso_provider' in (await credentials.update('clear', { sso_provider: null }))));
  assert.equal((await credentials.update('clear', { sso_provider: 'okta' })).sso_provider, 'okta');
  const cleared = await credentials.update('clear', { sso_provider: '', totp_secret: '' });
  assert.ok(!('sso_provider' in cleared) && !cleared.has_totp_secret && !('totp_digits' in cleared));
  await fails(Kernel.NotFoundError, 'totp_not_configured', credentials.totpCode('clear'));
  await credentials.delete('clear');
}

async function nullMeansNotSet() {
  const unset = { sso_provider: null, totp_secret: null, totp_algorithm: null, totp_digits: null, totp_period: null };
  const created = await credentials.create({ name: 'null', domain: 'example.com', values: { a: 'b' }, ...unset });
  assert.ok(!('sso_provider' in created) && !created.has_totp_secret);
  const listed = [];
  const query = { domain: null, query: null, limit: null, offset: null };
  for await (const one of credentials.list(query)) listed.push(one.name);
  assert.deepEqual(listed, ['null']);
  const uri = `otpauth://totp/x?secret=${secret}&digits=8`;
  assert.equal((await credentials.update('null', { totp_secret: uri, totp_digits: null })).totp_digits, 8);
  const kept = await credentials.update('null', { name: null, values: { c: 'd' }, remove_value_keys: null });
  assert.deepEqual([kept.name, kept.value_keys, kept.has_totp_secret], ['null', ['a', 'c'], true]);
  assert.deepEqual((await credentials.update('null', { values: { a: null } })).value_keys, ['c']);
  assert.equal((await credentials.update('null', { totp_secret: null })).has_totp_secret, false);
  await fails(Kernel.BadRequestError, 'bad_request', credentials.update('null', { name: null, values: null }));
  await credentials.delete('null');
}

async function codesAreRight() {
  const body = { name: 'codes', domain: 'example.com', values: { a: 'b' }, totp_secret: secret };
  const created = await credentials.create(body);
  assert.equal(created.totp_code, totp(secret, Date.parse(created.totp_code_expires_at) / 1000 - 1));
  // Fields that this version of the SDK does not know pass through.
  assert.deepEqual([created.totp_algorithm, created.totp_digits, created.totp_period], ['SHA1', 6, 30]);
  const answer = await credentials.totpCode('codes');
  assert.equal(answer.code, totp(secret, Date.parse(answer.expires_at) / 1000 - 1));
  await credentials.delete('codes');
}

async function awkwardNamesWorkInPaths() {
  for (const name of awkwardNames) {
    const body = { name, domain: 'example.com', values: { a: 'b' }, totp_secret: secret };
    const created = await credentials.create(body);
    assert.equal(created.name, name);
    assert.equal((await credentials.retrieve(name)).id, created.id);
    assert.ok((await credentials.totpCode(name)).code);
    assert.deepEqual((await credentials.update(name, { values: { c: 'd' } })).value_keys, ['a', 'c']);
    await credentials.delete(name);
  }
}

async function anEmptyNameReachesNothing() {
  await fails(Kernel.NotFoundError, 'not_found', credentials.retrieve(''));
  await fails(Kernel.NotFoundError, 'not_found', credentials.delete(''));
}

async function errorsHaveTheClassesOfTheSdk() {
  const body = { name: 'taken', domain: 'example.com', values: { a: 'b' } };
  await credentials.create(body);
  requests = [];
  await fails(Kernel.ConflictError, 'name_taken', credentials.create(body));
  assert.equal(requests.length, 1, "the SDK repeated a create that can't succeed");
  await fails(Kernel.BadRequestError, 'bad_request', credentials.create({ ...body, name: 'x', values: 'hunter2-canary' }));
  await fails(Kernel.BadRequestError, 'bad_request', credentials.list({ limit: 101 }));
  await fails(Kernel.BadRequestError, 'bad_request', credentials.update('taken', {}));
  await fails(Kernel.NotFoundError, 'not_found', credentials.retrieve('none'));
  const wrong = new Kernel({ apiKey: 'sk_wrong', baseURL: url }).credentials;
  await fails(Kernel.AuthenticationError, 'unauthorized', wrong.retrieve('taken'));
  const reader = new Kernel({ apiKey: readToken, baseURL: url }).credentials;
  assert.equal((await reader.retrieve('taken')).name, 'taken');
  await fails(Kernel.PermissionDeniedError, 'forbidden', reader.delete('taken'));
  const other = new Kernel({ apiKey: token, baseURL: url, projectID: 'elsewhere' }).credentials;
  await fails(Kernel.PermissionDeniedError, 'forbidden', other.retrieve('taken'));
  const home = new Kernel({ apiKey: token, baseURL: url, projectID: 'default' }).credentials;
  assert.equal((await home.retrieve('taken')).name, 'taken');
  const options = { headers: { 'Idempotency-Key': 'node-1' } };
  const first = await credentials.create({ ...body, name: 'keyed' }, options);
  assert.equal((await credentials.create({ ...body, name: 'keyed' }, options)).id, first.id);
  const changed = credentials.create({ ...body, name: 'keyed', values: { a: 'c' } }, options);
  await fails(Kernel.UnprocessableEntityError, 'idempotency_mismatch', changed);
  await credentials.delete('taken');
  await credentials.delete('keyed');
}

async function pagesHoldEverythingOnceAndInOrder() {
  const names = Array.from({ length: 250 }, (_, number) => `page-${String(number).padStart(3, '0')}`);
  for (const [number, name] of names.entries()) {
    const domain = number % 2 === 0 ? 'even.example.com' : 'odd.example.com';
    await credentials.create({ name, domain, values: { a: 'b' } });
  }
  const odd = names.filter((_, number) => number % 2 === 1);
  for (const [query, expected, pages] of [
    [{}, names, 13],
    [{ limit: 100 }, names, 3],
    [{ limit: 50 }, names, 5],
    [{ domain: 'odd.example.com', limit: 100 }, odd, 2],
    [{ query: 'PAGE-00' }, names.slice(0, 10), 1],
    [{ domain: 'none.example.com' }, [], 1],
  ]) {
    requests = [];
    const listed = [];
    for await (const one of credentials.list(query)) listed.push(one);
    assert.deepEqual(listed.map((one) => one.name), expected);
    assert.ok(listed.every((one) => !('value_keys' in one) && one.has_values));
    assert.equal(requests.length, pages);
  }
  for (const name of names) await credentials.delete(name);
}

for (const check of [
  aCredentialLives,
  clearsByEmptyAndByNull,
  nullMeansNotSet,
  codesAreRight,
  awkwardNamesWorkInPaths,
  anEmptyNameReachesNothing,
  errorsHaveTheClassesOfTheSdk,
  pagesHoldEverythingOnceAndInOrder,
]) {
  await check();
  console.log('ok', check.name);
}
