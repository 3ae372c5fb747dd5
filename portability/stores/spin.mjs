// A store that does what Spin's do, the wrong things too. STRONGROOM_STORE says which: `sqlite` or `redis`. With
// STRONGROOM_RECORDS it begins with the rows of that file, and keeps them there: {"store": {"key": "base64"}}.

import { readFileSync, writeFileSync } from 'node:fs';

const redis = process.env.STRONGROOM_STORE === 'redis';
const file = process.env.STRONGROOM_RECORDS;
const rows = new Map();
// Spin names a store for a component in its manifest; others are denied, and Redis does not tell them apart.
const DECLARED = 'default';
let dead = false;

if (file) {
  for (const [key, value] of Object.entries(JSON.parse(readFileSync(file, 'utf8'))[DECLARED])) {
    rows.set(key, new Uint8Array(Buffer.from(value, 'base64')));
  }
}

function keep() {
  if (!file) return;
  const encoded = [...rows].map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  writeFileSync(file, JSON.stringify({ [DECLARED]: Object.fromEntries(encoded) }));
}

function alive() {
  if (dead) throw { tag: 'other', val: 'the lock of the connection is poisoned' };
}

function put(key, value) {
  rows.set(key, Uint8Array.from(value));
  keep();
}

const equal = (a, b) => a !== undefined && b !== undefined && Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;

export class Bucket {
  get(key) { alive(); return rows.get(key); }
  set(key, value) { alive(); put(key, value); }
  delete(key) { alive(); rows.delete(key); keep(); }
  exists(key) { alive(); return rows.has(key); }
  // Everything at once, and no way to go on.
  listKeys(cursor) {
    alive();
    if (cursor !== undefined) throw { tag: 'other', val: 'list_keys: cursor not supported' };
    return { keys: [...rows.keys()], cursor: undefined };
  }
}

export function open(name) {
  if (name !== DECLARED) throw { tag: 'access-denied' };
  return new Bucket();
}

export class Cas {
  static new(bucket, key) { return Object.assign(new Cas(), { key, seen: undefined }); }
  current() { alive(); return this.seen = rows.get(this.key); }
}

export function swap(cas, value) {
  alive();
  if (redis) {
    // Written where nobody was faster, and "failed" either way.
    if (equal(cas.seen, rows.get(cas.key)) || cas.seen === rows.get(cas.key)) put(cas.key, value);
    throw { tag: 'cas-failed', val: Cas.new(undefined, cas.key) };
  }
  // Where nothing was there when it was read, whatever is there now is overwritten.
  if (cas.seen !== undefined && !equal(cas.seen, rows.get(cas.key))) {
    throw { tag: 'cas-failed', val: Cas.new(undefined, cas.key) };
  }
  put(cas.key, value);
}

export function increment(bucket, key, delta) {
  alive();
  const old = rows.get(key);
  if (redis) {
    const sum = BigInt(old === undefined ? 0 : Buffer.from(old).toString()) + delta;
    put(key, Buffer.from(sum.toString()));
    return sum;
  }
  if (old !== undefined && old.length !== 8) {
    // The host panics with the lock in its hand.
    dead = true;
    throw { tag: 'other', val: 'panic' };
  }
  const sum = (old === undefined ? 0n : Buffer.from(old).readBigInt64LE()) + delta;
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(sum);
  put(key, bytes);
  return sum;
}

export function get(name) { return process.env[name.toUpperCase()]; }
