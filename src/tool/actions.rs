//! Sets of actions, and what a caller's scopes allow.

use crate::http::Scope;
use alloc::string::String;

/// A set of the six actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actions(u8);

/// Name, scope, and whether it leaves everything as it is.
const TABLE: [(Actions, &str, Scope, bool); 6] = [
    (Actions::LIST, "list", Scope::Read, true),
    (Actions::GET, "get", Scope::Read, true),
    (Actions::TOTP_CODE, "totp_code", Scope::Totp, true),
    (Actions::CREATE, "create", Scope::Write, false),
    (Actions::UPDATE, "update", Scope::Write, false),
    (Actions::DELETE, "delete", Scope::Write, false),
];

impl Actions {
    pub const NONE: Self = Self(0);
    pub const LIST: Self = Self(1);
    pub const GET: Self = Self(2);
    pub const TOTP_CODE: Self = Self(4);
    pub const CREATE: Self = Self(8);
    pub const UPDATE: Self = Self(16);
    pub const DELETE: Self = Self(32);
    pub const ALL: Self = Self(63);

    /// What a caller may run whose scopes `has` tells.
    pub fn allowed(has: impl Fn(Scope) -> bool) -> Self {
        let rows = TABLE.iter().filter(|(_, _, scope, _)| has(*scope));
        rows.fold(Self::NONE, |all, (action, ..)| all.with(*action))
    }

    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any of the others is in it.
    pub const fn contains(self, other: Self) -> bool {
        !self.both(other).is_empty()
    }

    /// Those that leave everything as it is.
    pub fn reading(self) -> Self {
        let rows = TABLE.iter().filter(|(action, _, _, reads)| *reads && self.contains(*action));
        rows.fold(Self::NONE, |all, (action, ..)| all.with(*action))
    }

    /// The action of a name. Models write `LIST`, `totp-code` and `totpCode` too.
    pub fn named(name: &str) -> Option<Self> {
        let letters = |text: &str| -> String {
            let letters = text.chars().filter(|letter| !matches!(letter, '_' | '-' | ' '));
            letters.map(|letter| letter.to_ascii_lowercase()).collect()
        };
        let wanted = letters(name);
        TABLE.iter().find(|(_, known, ..)| letters(known) == wanted).map(|(action, ..)| *action)
    }

    /// The names of all in it, in the order of the table.
    pub fn each(self) -> impl Iterator<Item = &'static str> {
        TABLE.iter().filter(move |(action, ..)| self.contains(*action)).map(|(_, name, ..)| *name)
    }

    pub fn names(self, separator: &str) -> String {
        let mut names = String::new();
        for name in self.each() {
            if !names.is_empty() {
                names.push_str(separator);
            }
            names.push_str(name);
        }
        names
    }

    /// The name of the only one in it.
    pub fn name(self) -> &'static str {
        self.each().next().unwrap_or_default()
    }
}
