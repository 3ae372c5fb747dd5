//! What happened, readable: only written down when a run is played again after it failed.

use crate::world::{Answer, Key, OpId, StoreCall};
use std::collections::BTreeMap;
use strongroom::store::{StoreError, Swap};

/// Lines of a run, or nothing at all.
#[derive(Default)]
pub struct Trace {
    enabled: bool,
    lines: Vec<String>,
    /// Keys are random: shown as their kind and a number in order of appearance.
    aliases: BTreeMap<Key, String>,
    owners: BTreeMap<OpId, String>,
}

impl Trace {
    pub fn on() -> Self {
        Self { enabled: true, ..Self::default() }
    }

    pub fn is_on(&self) -> bool {
        self.enabled
    }

    pub fn into_lines(self) -> Vec<String> {
        self.lines
    }

    /// Says whose operation this is, for the lines about it.
    pub fn owner(&mut self, op: OpId, owner: &str) {
        if self.enabled {
            self.owners.insert(op, format!("#{op} {owner}"));
        }
    }

    pub fn note(&mut self, step: u64, op: OpId, text: impl FnOnce() -> String) {
        if self.enabled {
            let owner = self.shown_owner(op);
            self.lines.push(format!("{step:>5}  {owner:<16} {}", text()));
        }
    }

    /// A line about nobody's operation.
    pub fn say(&mut self, step: u64, text: &str) {
        if self.enabled {
            self.lines.push(format!("{step:>5}  !! {text}"));
        }
    }

    pub fn request(&mut self, step: u64, op: OpId, request: &StoreCall<'_>, answer: &Result<Answer, StoreError>) {
        if !self.enabled {
            return;
        }
        let what = match request {
            StoreCall::Get { .. } => "get",
            StoreCall::Current { .. } => "current",
            StoreCall::Set { .. } => "set",
            StoreCall::Delete { .. } => "delete",
            StoreCall::Increment { .. } => "increment",
            StoreCall::Swap { .. } => "swap",
            StoreCall::ListKeys { .. } => "list-keys",
        };
        let key = request.key().map(|key| self.alias(key)).unwrap_or_default();
        let answered = match answer {
            Ok(Answer::Value(Some(value))) => format!("{} bytes", value.len()),
            Ok(Answer::Value(None)) => "absent".to_owned(),
            Ok(Answer::Done) => "done".to_owned(),
            Ok(Answer::Total(total)) => total.to_string(),
            Ok(Answer::Swapped(Swap::Stored)) => "stored".to_owned(),
            Ok(Answer::Swapped(Swap::Conflict)) => "conflict".to_owned(),
            Ok(Answer::Swapped(Swap::NothingStored(_))) => "nothing stored".to_owned(),
            Ok(Answer::Keys(page)) => format!("{} keys", page.keys.len()),
            Err(_) => "error".to_owned(),
        };
        self.note(step, op, || format!("    {what} {key} -> {answered}"));
    }

    pub fn late(&mut self, step: u64, op: OpId, key: &Key, landed: bool) {
        if self.enabled {
            let key = self.alias(key);
            self.note(step, op, || {
                format!("    (late write of {key} {})", if landed { "lands" } else { "finds another value" })
            });
        }
    }

    pub fn lost(&mut self, step: u64, key: &Key) {
        if self.enabled {
            let key = self.alias(key);
            self.lines.push(format!("{step:>5}  {:<16} loses {key}", "host"));
        }
    }

    fn shown_owner(&self, op: OpId) -> String {
        self.owners.get(&op).cloned().unwrap_or_else(|| "check".to_owned())
    }

    fn alias(&mut self, key: &str) -> String {
        let kind = match key.split('.').nth(2) {
            Some("root") => return "root".to_owned(),
            Some("seed") => return "seed".to_owned(),
            Some("n") => "node",
            Some("b") => "body",
            Some("x") => "claim",
            _ => "key",
        };
        let number = self.aliases.len();
        self.aliases.entry(key.into()).or_insert_with(|| format!("{kind}-{number}")).clone()
    }
}
