//! The text notation of WIT values, as `wasmtime run --invoke` takes and prints it.

use serde_json::{Map, Value};

/// A string literal.
pub fn string(text: &str) -> String {
    // The escapes that JSON has and these texts need are the same.
    Value::from(text).to_string()
}

/// A value as the JSON of the REST API has it: `some(x)` is x, names have underscores, an enumeration is a text. `ok` and
/// `err` are kept as the one member of an object.
pub fn parse(text: &str) -> Value {
    let mut reader = Reader(text.trim());
    let value = reader.value();
    assert!(reader.0.is_empty(), "left over: {}", reader.0);
    value
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn value(&mut self) -> Value {
        match self.peek() {
            '{' => {
                let mut members = Map::new();
                self.sequence('}', |reader| {
                    let name = name(&reader.word());
                    reader.eat(':');
                    let value = reader.value();
                    members.insert(name, value);
                });
                Value::Object(members)
            }
            '[' => self.list(']'),
            '(' => self.list(')'),
            '"' => self.string(),
            _ => {
                let word = self.word();
                match word.as_str() {
                    number if number.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) => {
                        serde_json::from_str(number).expect("a number")
                    }
                    "none" => Value::Null,
                    "some" => self.list(')')[0].take(),
                    "ok" | "err" => {
                        let inner = if self.0.starts_with('(') { self.list(')')[0].take() } else { Value::Null };
                        Value::Object(Map::from_iter([(word, inner)]))
                    }
                    "true" | "false" => Value::Bool(word == "true"),
                    _ => Value::String(name(&word)),
                }
            }
        }
    }

    fn list(&mut self, end: char) -> Value {
        let mut items = Vec::new();
        self.sequence(end, |reader| items.push(reader.value()));
        Value::Array(items)
    }

    fn sequence(&mut self, end: char, mut item: impl FnMut(&mut Self)) {
        self.0 = &self.0[1..];
        while self.peek() != end {
            item(self);
            if self.peek() == ',' {
                self.eat(',');
            }
        }
        self.eat(end);
    }

    fn string(&mut self) -> Value {
        let mut escaped = false;
        let end = self.0[1..].find(|character| {
            let ends = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            ends
        });
        let (literal, rest) = self.0.split_at(end.expect("a string ends") + 2);
        self.0 = rest;
        serde_json::from_str(&literal.replace("\\'", "'")).expect("its escapes are those of JSON")
    }

    fn word(&mut self) -> String {
        self.peek();
        let end = self.0.find(|character: char| !character.is_ascii_alphanumeric() && character != '-');
        let (word, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        assert!(!word.is_empty(), "no word: {}", self.0);
        self.0 = rest;
        word.to_owned()
    }

    fn peek(&mut self) -> char {
        self.0 = self.0.trim_start();
        self.0.chars().next().expect("more follows")
    }

    fn eat(&mut self, expected: char) {
        assert_eq!(self.peek(), expected, "{}", self.0);
        self.0 = &self.0[expected.len_utf8()..];
    }
}

fn name(word: &str) -> String {
    word.replace('-', "_")
}
