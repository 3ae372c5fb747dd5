//! What the script found in a frame. Texts of the page end here: they are judged and never passed on.

use serde_json::Value;

/// One look at a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// As the document itself states it; `null` for opaque ones.
    pub origin: String,
    /// The same of the documents around it, from the inside out.
    pub ancestors: Vec<String>,
    /// Single-line inputs that a person can see and use.
    pub fields: Vec<Field>,
    pub forms: Vec<Form>,
    /// What each selector of the request matched, two at most; `None`: it is no selector.
    pub selected: Vec<Option<Vec<Selected>>>,
    pub path: String,
    /// Whether the document is loaded completely.
    pub ready: bool,
    /// Whether the page is visible and has the focus.
    pub front: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Field {
    /// Its number in the script's list.
    pub index: u64,
    /// `text`, `email`, `tel`, `number`, `url`, `search`, `password`, else `other`.
    pub kind: String,
    pub autocomplete: Vec<String>,
    /// Its name and id.
    pub name: String,
    /// Its place in [`Facts::forms`].
    pub form: Option<usize>,
    /// -1: no limit.
    pub max_length: i64,
    pub readonly: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    /// The origin that it sends to; empty: a script of the page.
    pub destination: String,
    /// Its id, name, classes and action.
    pub words: String,
    /// The text of its button.
    pub button: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selected {
    pub field: Field,
    pub usable: bool,
}

impl Facts {
    /// `None` if it is not what the script gives.
    pub fn parse(value: &Value) -> Option<Self> {
        let selected = |value: &Value| match value {
            Value::Null => Some(None),
            found => found.as_array()?.iter().map(Selected::parse).collect::<Option<Vec<_>>>().map(Some),
        };
        Some(Self {
            origin: text(value, "origin")?,
            ancestors: list(value, "ancestors")?.iter().map(own).collect::<Option<_>>()?,
            fields: list(value, "fields")?.iter().map(Field::parse).collect::<Option<_>>()?,
            forms: list(value, "forms")?.iter().map(Form::parse).collect::<Option<_>>()?,
            selected: list(value, "selected")?.iter().map(selected).collect::<Option<_>>()?,
            path: text(value, "path")?,
            ready: value.get("ready")?.as_bool()?,
            front: value.get("front")?.as_bool()?,
        })
    }

    pub fn form(&self, field: &Field) -> Option<&Form> {
        self.forms.get(field.form?)
    }
}

impl Field {
    fn parse(value: &Value) -> Option<Self> {
        Some(Self {
            index: value.get("index")?.as_u64()?,
            kind: text(value, "type")?,
            autocomplete: list(value, "autocomplete")?.iter().map(own).collect::<Option<_>>()?,
            name: text(value, "name")?,
            form: usize::try_from(value.get("form")?.as_i64()?).ok(),
            max_length: value.get("max_length")?.as_i64()?,
            readonly: value.get("readonly")?.as_bool()?,
        })
    }

    pub fn has_token(&self, token: &str) -> bool {
        self.autocomplete.iter().any(|own| own == token)
    }
}

impl Form {
    fn parse(value: &Value) -> Option<Self> {
        let [destination, words, button] = ["destination", "words", "button"].map(|name| text(value, name));
        Some(Self { destination: destination?, words: words?, button: button? })
    }
}

impl Selected {
    fn parse(value: &Value) -> Option<Self> {
        Some(Self { field: Field::parse(value)?, usable: value.get("usable")?.as_bool()? })
    }
}

fn own(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(own)
}

fn list<'v>(value: &'v Value, name: &str) -> Option<&'v Vec<Value>> {
    value.get(name)?.as_array()
}
