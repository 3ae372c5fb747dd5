//! Writing JSON, compact and without a tree.

use alloc::string::String;
use core::fmt::Write;

/// The text of an object whose members `fill` adds.
pub fn object(fill: impl FnOnce(&mut Object<'_>)) -> String {
    let mut text = String::new();
    write_object(&mut text, fill);
    text
}

/// An object that is being written. Names are not checked for repetition.
pub struct Object<'t> {
    text: &'t mut String,
}

impl Object<'_> {
    pub fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        write_text(self.text, value);
    }

    /// Absent when there is none.
    pub fn optional_text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        write_number(self.text, value);
    }

    pub fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.text.push_str(if value { "true" } else { "false" });
    }

    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        write_object(self.text, fill);
    }

    pub fn array(&mut self, name: &str, fill: impl FnOnce(&mut Array<'_>)) {
        self.name(name);
        write_array(self.text, fill);
    }

    /// A member whose value is JSON already.
    pub fn raw(&mut self, name: &str, json: &str) {
        self.name(name);
        self.text.push_str(json);
    }

    /// Members that are JSON already, without the braces.
    pub fn members(&mut self, json: &str) {
        separate(self.text);
        self.text.push_str(json);
    }

    fn name(&mut self, name: &str) {
        separate(self.text);
        write_text(self.text, name);
        self.text.push(':');
    }
}

/// An array that is being written.
pub struct Array<'t> {
    text: &'t mut String,
}

impl Array<'_> {
    pub fn text(&mut self, value: &str) {
        separate(self.text);
        write_text(self.text, value);
    }

    pub fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        separate(self.text);
        write_object(self.text, fill);
    }
}

/// The text of an array whose elements `fill` adds.
pub fn array(fill: impl FnOnce(&mut Array<'_>)) -> String {
    let mut text = String::new();
    write_array(&mut text, fill);
    text
}

fn write_object(text: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
    text.push('{');
    fill(&mut Object { text });
    text.push('}');
}

fn write_array(text: &mut String, fill: impl FnOnce(&mut Array<'_>)) {
    text.push('[');
    fill(&mut Array { text });
    text.push(']');
}

/// A comma, unless this is the first of its object or array. Strings end in a quote, so a bracket at the end was opened by
/// us.
fn separate(text: &mut String) {
    if !matches!(text.as_bytes().last(), Some(b'{' | b'[')) {
        text.push(',');
    }
}

/// The digits, without the machinery of formatting: most of what is written here are numbers and dates.
fn write_number(text: &mut String, value: u64) {
    if value >= 10 {
        write_number(text, value / 10);
    }
    text.push(char::from(b'0' + (value % 10) as u8));
}

/// RFC 8259, section 7: what must be escaped, and nothing else. What lies between goes over as it is.
fn write_text(text: &mut String, value: &str) {
    text.push('"');
    let mut rest = value;
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        let (plain, from) = rest.split_at(at);
        text.push_str(plain);
        let mut characters = from.chars();
        match characters.next() {
            Some('"') => text.push_str("\\\""),
            Some('\\') => text.push_str("\\\\"),
            Some('\n') => text.push_str("\\n"),
            Some('\r') => text.push_str("\\r"),
            Some('\t') => text.push_str("\\t"),
            // Writing to a string does not fail.
            Some(control) => _ = write!(text, "\\u{:04x}", u32::from(control)),
            None => {}
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_an_independent_parser_reads_back() {
        let nasty = "quote\" backslash\\ slash/ \u{0}\u{1f}\u{7f}\n\r\t é😀 \u{2028} {[";
        let text = object(|root| {
            root.text("text", nasty);
            root.optional_text("absent", None);
            root.optional_text(nasty, Some("x"));
            root.number("number", u64::MAX);
            root.flag("flag", false);
            root.object("empty", |_| ());
            root.array("array", |array| {
                array.text("{");
                array.text("[");
                array.object(|object| object.array("none", |_| ()));
                array.object(|_| ());
            });
            root.raw("raw", "[1]");
        });
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "text": nasty,
            nasty: "x",
            "number": u64::MAX,
            "flag": false,
            "empty": {},
            "array": ["{", "[", {"none": []}, {}],
            "raw": [1],
        });
        assert_eq!(read, expected);
        assert_eq!(array(|array| array.text("a")), r#"["a"]"#);
    }
}
