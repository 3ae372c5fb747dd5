// What the vault asks of its host: a key-value store and settings. Here a Map that ends with the process, and the
// variables of the environment; put in their place what your program has.

const buckets = new Map();

/** wasi:keyvalue/store */
export class Bucket {
  constructor(records) { this.records = records; }
  get(key) { return this.records.get(key); }
  set(key, value) { this.records.set(key, value); }
  delete(key) { this.records.delete(key); }
  exists(key) { return this.records.has(key); }
  listKeys() { return { keys: [...this.records.keys()], cursor: undefined }; }
}

export function open(name) {
  if (!buckets.has(name)) buckets.set(name, new Map());
  return new Bucket(buckets.get(name));
}

/** wasi:keyvalue/atomics. Nothing else runs between a look and the change after it, so these are atomic. */
export class Cas {
  static new(bucket, key) { return Object.assign(new Cas(), { bucket, key, seen: undefined, read: false }); }
  current() {
    this.read = true;
    return this.seen = this.bucket.get(this.key);
  }
}

export function swap(cas, value) {
  // Values are never changed in place, so the same value is the same object.
  if (cas.read && cas.bucket.get(cas.key) !== cas.seen) throw { tag: 'cas-failed', val: cas };
  cas.bucket.set(cas.key, value);
}

export function increment(bucket, key, delta) {
  const sum = (bucket.get(key)?.number ?? 0n) + delta;
  const bytes = new Uint8Array(new BigInt64Array([sum]).buffer);
  bucket.set(key, Object.assign(bytes, { number: sum }));
  return sum;
}

/** wasi:config/store */
export function get(name) { return process.env[name.toUpperCase()]; }
