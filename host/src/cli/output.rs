//! Standard output.

use std::io::{self, Write};
use strongroom_host::Result;

/// Prints a line. A reader that has gone is an error like any other, not a panic as with `println!`.
pub fn line(text: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()?;
    Ok(())
}

/// JSON with an indent of two spaces, its members in the order they have. What is no JSON comes out changed.
pub fn pretty(json: &str) -> String {
    let mut output = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let newline = |output: &mut String, depth: usize| {
        output.push('\n');
        output.push_str(&"  ".repeat(depth));
    };
    let mut rest = json.chars().peekable();
    while let Some(character) = rest.next() {
        if in_string {
            output.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            '{' | '[' => {
                output.push(character);
                while rest.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match rest.next_if(|next| matches!(next, '}' | ']')) {
                    Some(close) => output.push(close),
                    None => {
                        depth += 1;
                        newline(&mut output, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                newline(&mut output, depth);
                output.push(character);
            }
            ',' => {
                output.push(',');
                newline(&mut output, depth);
            }
            ':' => output.push_str(": "),
            '"' => {
                in_string = true;
                output.push('"');
            }
            other if other.is_ascii_whitespace() => {}
            other => output.push(other),
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::pretty;

    #[test]
    fn indents_and_keeps_order_and_strings() {
        let json = r#"{"b":[1, {"x":"a,\"{}:\\"}],"a":{},"c":[ ],"d":null}"#;
        let expected = r#"{
  "b": [
    1,
    {
      "x": "a,\"{}:\\"
    }
  ],
  "a": {},
  "c": [],
  "d": null
}"#;
        assert_eq!(pretty(json), expected);
        assert_eq!(pretty(expected), expected);
    }
}
