//! Sets of actions, and what a caller's scopes allow.

use crate::access::Principal;
use crate::actions::Action;
use alloc::string::String;

/// A set of the six actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actions(u8);

/// What there is to know of each stands in its row of the table of actions.
const TABLE: [(Actions, Action); 6] = [
    (Actions::LIST, Action::List),
    (Actions::GET, Action::Get),
    (Actions::TOTP_CODE, Action::TotpCode),
    (Actions::CREATE, Action::Create),
    (Actions::UPDATE, Action::Update),
    (Actions::DELETE, Action::Delete),
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

    /// What a caller may run.
    pub fn allowed(principal: &Principal) -> Self {
        // New credentials can't be among those that a principal is restricted to.
        let may_add = principal.restriction.credentials.is_none();
        Self::those(|action| action.check(principal).is_ok() && (may_add || action != Action::Create))
    }

    fn those(is_one: impl Fn(Action) -> bool) -> Self {
        let rows = TABLE.iter().filter(|(_, action)| is_one(*action));
        rows.fold(Self::NONE, |all, (set, _)| all.with(*set))
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
        self.both(Self::those(|action| !action.row().changes))
    }

    /// The action of a name. Models write `LIST`, `totp-code` and `totpCode` too.
    pub fn named(name: &str) -> Option<Self> {
        let letters = |text: &str| -> String {
            let letters = text.chars().filter(|letter| !matches!(letter, '_' | '-') && !letter.is_ascii_whitespace());
            letters.map(|letter| letter.to_ascii_lowercase()).collect()
        };
        let wanted = letters(name);
        TABLE.iter().find(|(_, action)| letters(action.name()) == wanted).map(|(set, _)| *set)
    }

    /// The names of all in it, in the order of the table.
    pub fn each(self) -> impl Iterator<Item = &'static str> {
        TABLE.iter().filter(move |(set, _)| self.contains(*set)).map(|(_, action)| action.name())
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
