//! What is sent to etcd and comes back: its protocol in JSON, bytes in base64, 64-bit numbers as text.

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

/// A key with what it holds.
pub struct Entry {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// The revision of the whole store at which it was written last; never 0.
    pub revision: u64,
}

pub fn range(key: &[u8]) -> Value {
    json!({ "key": encode(key) })
}

/// At most so many keys from `first` on and before `end`, without what they hold.
pub fn keys(first: &[u8], end: &[u8], limit: usize) -> Value {
    json!({ "key": encode(first), "range_end": encode(end), "limit": limit.to_string(), "keys_only": true })
}

pub fn put(key: &[u8], value: &[u8]) -> Value {
    json!({ "key": encode(key), "value": encode(value) })
}

/// The key must be absent.
pub fn absent(key: &[u8]) -> Value {
    json!({ "key": encode(key), "target": "CREATE", "result": "EQUAL", "create_revision": "0" })
}

/// The key must not have been written since.
pub fn unchanged(key: &[u8], revision: u64) -> Value {
    json!({ "key": encode(key), "target": "MOD", "result": "EQUAL", "mod_revision": revision.to_string() })
}

/// The key must hold this.
pub fn equal(key: &[u8], value: &[u8]) -> Value {
    json!({ "key": encode(key), "target": "VALUE", "result": "EQUAL", "value": encode(value) })
}

/// What is written, if the comparison holds.
pub fn put_if(comparison: Option<Value>, writes: Vec<Value>) -> Value {
    json!({ "compare": Vec::from_iter(comparison), "success": writes })
}

/// One write of a transaction.
pub fn write(key: &[u8], value: Option<&[u8]>) -> Value {
    match value {
        Some(value) => json!({ "request_put": put(key, value) }),
        None => json!({ "request_delete_range": range(key) }),
    }
}

/// Whether a transaction's comparison held. False stands for itself by being left out.
pub fn has_succeeded(answer: &Value) -> bool {
    answer["succeeded"].as_bool().unwrap_or(false)
}

/// The entries of an answer, in the order of their keys; `None` if they can't be read.
pub fn entries(answer: &Value) -> Option<Vec<Entry>> {
    let Some(entries) = answer.get("kvs") else { return Some(Vec::new()) };
    let entry = |entry: &Value| {
        let bytes =
            |name: &str| entry.get(name).map_or(Some(Vec::new()), |text| Base64::decode_vec(text.as_str()?).ok());
        let revision = entry["mod_revision"].as_str()?.parse().ok()?;
        Some(Entry { key: bytes("key")?, value: bytes("value")?, revision })
    };
    entries.as_array()?.iter().map(entry).collect()
}

fn encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As etcd 3.4.23 answered.
    #[test]
    fn recorded_answers_are_read() {
        let answer = json!({
            "header": { "cluster_id": "14841639068965178418", "member_id": "10276657743932975437", "revision": "4", "raft_term": "2" },
            "kvs": [{ "key": "YQ==", "create_revision": "2", "mod_revision": "4", "version": "3", "value": "MQ==" },
                    { "key": "Yg==", "create_revision": "3", "mod_revision": "3", "version": "1" }],
            "count": "2",
        });
        let entries = entries(&answer).unwrap();
        let entries: Vec<_> = entries.iter().map(|entry| (&*entry.key, &*entry.value, entry.revision)).collect();
        assert_eq!(entries, [(&b"a"[..], &b"1"[..], 4), (&b"b"[..], &b""[..], 3)]);
        assert!(super::entries(&json!({ "header": {} })).unwrap().is_empty());
        assert!(super::entries(&json!({ "kvs": [{ "key": "?" }] })).is_none());
        assert!(has_succeeded(&json!({ "succeeded": true })) && !has_succeeded(&json!({ "header": {} })));
    }
}
