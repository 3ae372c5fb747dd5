//! File names of keys and buckets.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

/// What file systems take.
const LENGTH_MAX_BYTES: usize = 255;

/// The file name of a key: lower-case letters, digits, `_`, `-` and inner dots as they are, any other byte as `%` and two
/// digits, so that no two keys meet where a file system ignores case. `None` if it is empty or too long.
pub fn encode(key: &str) -> Option<String> {
    let mut name = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            b'.' if !name.is_empty() => name.push('.'),
            // Writing into a text can't fail.
            _ => _ = write!(name, "%{byte:02x}"),
        }
    }
    (1..=LENGTH_MAX_BYTES).contains(&name.len()).then_some(name)
}

/// The key of a file name; `None` for a name that no key has.
pub fn decode(name: &str) -> Option<String> {
    let mut key = Vec::with_capacity(name.len());
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            key.push(u8::from_str_radix(core::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            key.push(byte);
        }
    }
    let key = String::from_utf8(key).ok()?;
    (encode(&key).as_deref() == Some(name)).then_some(key)
}
