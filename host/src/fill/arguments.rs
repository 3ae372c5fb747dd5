//! What a caller may say about a login, as JSON: `null` is absent, numbers and booleans may be text, and what is not
//! known is ignored, as clients and models add some.

use serde_json::{Map, Value};
use std::time::Duration;
use strongroom_login::{Failure, FieldSelector, Request};

/// Longest text that is looked at.
const MAX_TEXT_BYTES: usize = 4096;

/// A login that is asked for.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Id or name.
    pub credential: String,
    /// The operator's name of a browser; absent: the only one.
    pub browser: Option<String>,
    pub request: Request,
}

impl Arguments {
    /// Reads `browser`, `page`, `fields`, `submit`, `steps`, `timeout_seconds` and `exclusive`. Errors name the member
    /// and the rule.
    pub fn parse(credential: String, object: &Map<String, Value>) -> Result<Self, Failure> {
        let mut request = Request { page: text(object, "page")?, ..Request::default() };
        if let Some(submit) = boolean(object, "submit")? {
            request.submit = submit;
        }
        if let Some(exclusive) = boolean(object, "exclusive")? {
            request.exclusive = exclusive;
        }
        let (steps, seconds) = (Request::MAX_STEPS as u64, Request::MAX_TIMEOUT.as_secs());
        if let Some(steps) = number(object, "steps", steps, "steps must be a number, 1-4")? {
            request.steps = steps as usize;
        }
        if let Some(seconds) = number(object, "timeout_seconds", seconds, "timeout_seconds must be a number, 1-60")? {
            request.timeout = Duration::from_secs(seconds);
        }
        request.fields = fields(object)?;
        Ok(Self { credential, browser: text(object, "browser")?, request })
    }

    /// The same with the credential as a member.
    pub fn parse_all(object: &Map<String, Value>) -> Result<Self, Failure> {
        let credential = text(object, "credential")?.ok_or_else(|| bad("credential must be given: an id or a name"))?;
        Self::parse(credential, object)
    }
}

fn bad(message: &str) -> Failure {
    Failure::new("bad_request", message)
}

fn member<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o Value> {
    // Models write `""` for what they do not say.
    object.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
}

fn text(object: &Map<String, Value>, name: &str) -> Result<Option<String>, Failure> {
    let Some(value) = member(object, name) else { return Ok(None) };
    let text = value.as_str().filter(|text| text.len() <= MAX_TEXT_BYTES);
    text.map(|text| Some(text.to_owned())).ok_or_else(|| bad(&format!("{name} must be a text of at most 4096 bytes")))
}

fn boolean(object: &Map<String, Value>, name: &str) -> Result<Option<bool>, Failure> {
    let Some(value) = member(object, name) else { return Ok(None) };
    let read = value.as_bool().or_else(|| value.as_str()?.parse().ok());
    read.map(Some).ok_or_else(|| bad(&format!("{name} must be true or false")))
}

fn number(object: &Map<String, Value>, name: &str, most: u64, rule: &str) -> Result<Option<u64>, Failure> {
    let Some(value) = member(object, name) else { return Ok(None) };
    let read = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    read.filter(|number| (1..=most).contains(number)).map(Some).ok_or_else(|| bad(rule))
}

fn fields(object: &Map<String, Value>) -> Result<Vec<FieldSelector>, Failure> {
    let Some(value) = member(object, "fields") else { return Ok(Vec::new()) };
    let rule = "fields must be an array of 1-16 objects with the texts field and selector";
    // Some clients send arrays as their text.
    let parsed = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    let list = parsed.as_ref().unwrap_or(value).as_array().ok_or_else(|| bad(rule))?;
    if !(1..=Request::MAX_FIELDS).contains(&list.len()) {
        return Err(bad(rule));
    }
    let field = |value: &Value| {
        let object = value.as_object()?;
        let [field, selector] = ["field", "selector"].map(|name| text(object, name).ok().flatten());
        Some(FieldSelector { field: field?, selector: selector? })
    };
    list.iter().map(|value| field(value).ok_or_else(|| bad(rule))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: Value) -> Result<Arguments, Failure> {
        Arguments::parse_all(value.as_object().unwrap())
    }

    #[test]
    fn what_models_write_is_read() {
        let plain =
            parse(json!({ "credential": "a", "browser": null, "page": "", "steps": null, "new": [1] })).unwrap();
        assert_eq!((plain.credential.as_str(), plain.browser, plain.request.page), ("a", None, None));
        assert!(plain.request.submit && plain.request.steps == 4 && plain.request.timeout.as_secs() == 20);
        let all = json!({
            "credential": "a", "browser": "b", "page": "P", "submit": "false", "steps": "2", "timeout_seconds": 60,
            "exclusive": true, "fields": "[{\"field\":\"username\",\"selector\":\"#u\"}]",
        });
        let all = parse(all).unwrap();
        assert!(!all.request.submit && all.request.exclusive && all.request.steps == 2);
        assert_eq!((all.request.timeout.as_secs(), all.request.fields[0].selector.as_str()), (60, "#u"));
    }

    #[test]
    fn what_breaks_a_rule_is_named_and_not_shown() {
        for (arguments, name) in [
            (json!({}), "credential"),
            (json!({ "credential": 5 }), "credential"),
            (json!({ "credential": "a", "submit": "canary" }), "submit"),
            (json!({ "credential": "a", "steps": 5 }), "steps"),
            (json!({ "credential": "a", "steps": "canary" }), "steps"),
            (json!({ "credential": "a", "timeout_seconds": 0 }), "timeout_seconds"),
            (json!({ "credential": "a", "page": ["canary"] }), "page"),
            (json!({ "credential": "a", "browser": "x".repeat(5000) }), "browser"),
            (json!({ "credential": "a", "fields": [] }), "fields"),
            (json!({ "credential": "a", "fields": [{ "field": "canary" }] }), "fields"),
            (json!({ "credential": "a", "fields": vec![json!({ "field": "a", "selector": "b" }); 17] }), "fields"),
        ] {
            let failure = parse(arguments).unwrap_err();
            assert_eq!(failure.code, "bad_request");
            assert!(failure.message.contains(name) && !failure.message.contains("canary"), "{}", failure.message);
        }
    }
}
