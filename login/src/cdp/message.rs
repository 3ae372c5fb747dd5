//! Commands as JSON, those with secrets in a buffer that is wiped.

use crate::secret::SecretString;
use serde_json::Value;
use zeroize::Zeroizing;

/// The longest escape of one byte: `\u0000`.
const MAX_ESCAPED_BYTES: usize = 6;

/// What stands around each secret.
const FRAME_BYTES: usize = r#"{"value":""},"#.len();

/// A command: `{"id", "method", "sessionId"?, "params"}`.
pub fn command(id: u64, session: Option<&str>, method: &str, params: &Value) -> Vec<u8> {
    let session = session.map(|session| format!(r#""sessionId":{},"#, Value::from(session))).unwrap_or_default();
    format!(r#"{{"id":{id},"method":"{method}",{session}"params":{params}}}"#).into_bytes()
}

/// A command whose `params.arguments` are `argument` and then the secrets, each as `{"value": ...}`. `params` is an
/// object with at least one member.
///
/// The buffer is large enough from the start: growing it would leave a copy behind.
pub fn command_with_secrets(
    id: u64,
    session: &str,
    method: &str,
    params: &Value,
    argument: &Value,
    secrets: &[&SecretString],
) -> Zeroizing<Vec<u8>> {
    let plain = command(id, Some(session), method, params);
    // Without the braces that close params and command.
    let opened = plain.get(..plain.len() - 2).unwrap_or_default();
    let first = format!(r#","arguments":[{{"value":{argument}}}"#);
    let room = |secret: &&SecretString| secret.expose().len() * MAX_ESCAPED_BYTES + FRAME_BYTES;
    let capacity = opened.len() + first.len() + secrets.iter().map(room).sum::<usize>() + "]}}".len();
    let mut buffer = Zeroizing::new(Vec::with_capacity(capacity));
    buffer.extend_from_slice(opened);
    buffer.extend_from_slice(first.as_bytes());
    for secret in secrets {
        buffer.extend_from_slice(br#",{"value":""#);
        escape(secret.expose(), &mut buffer);
        buffer.extend_from_slice(br#""}"#);
    }
    buffer.extend_from_slice(b"]}}");
    debug_assert!(buffer.len() <= capacity, "the buffer has grown");
    buffer
}

/// RFC 8259, section 7.
fn escape(text: &str, buffer: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => buffer.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
                buffer.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
            _ => buffer.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn any_secret_arrives_as_it_is() {
        let hard = (0..0x80u8).map(char::from).chain("äß€😀\u{2028}".chars()).collect::<String>();
        let params = json!({ "objectId": "o\"1", "silent": true });
        for text in ["", "p", &hard, &"\u{1}".repeat(1000)] {
            let (one, two) = (SecretString::new(text.to_owned()), SecretString::new("2".into()));
            let bytes = command_with_secrets(7, "s\"", "A.b", &params, &json!({ "x": [1] }), &[&one, &two]);
            let mut expected = json!({ "id": 7, "sessionId": "s\"", "method": "A.b", "params": params });
            expected["params"]["arguments"] = json!([{ "value": { "x": [1] } }, { "value": text }, { "value": "2" }]);
            assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
        }
    }
}
