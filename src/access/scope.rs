//! Scopes: what a principal can be allowed. None includes another.

use core::fmt;

/// One line for each scope: its name in settings, and what it allows, for people.
macro_rules! scopes {
    ($($(#[$doc:meta])* $scope:ident $name:literal $allows:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Scope {
            $($(#[$doc])* $scope,)*
        }

        impl Scope {
            /// Every scope, in the order in which they are written.
            pub const ALL: [Scope; [$($name),*].len()] = [$(Scope::$scope),*];

            /// The name in the settings.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Scope::$scope => $name,)*
                }
            }

            /// What it allows.
            pub const fn allows(self) -> &'static str {
                match self {
                    $(Scope::$scope => $allows,)*
                }
            }
        }

        impl Scopes {
            /// What [`Scopes::parse`] asks for.
            pub const RULE: &'static str = concat!("must have scopes joined by +, of", $(" ", $name),*);
        }
    };
}

scopes! {
    Read "read" "list and get",
    Totp "totp" "one-time codes",
    /// The answers show the metadata of the credential that was changed.
    Write "write" "create, replace, update, delete and restore",
    Supply "supply" "release of stored values, for login flows",
    /// The host fills, which has the browser; the vault supplies and records it.
    Fill "fill" "logins in a browser of the host's, without seeing values",
    /// For the project as a whole, so it can't be restricted.
    Admin "admin" "audit, purge and upkeep of the project's store",
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(((1u16 << Scope::ALL.len()) - 1) as u8);

    /// Reads `read+totp`: one scope or more, in any order. `None` for anything else.
    pub fn parse(list: &str) -> Option<Self> {
        list.split('+').try_fold(Self::NONE, |scopes, name| {
            Scope::ALL.into_iter().find(|scope| scope.as_str() == name).map(|scope| scopes.with(scope))
        })
    }

    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u8 != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

/// As [`Scopes::parse`] reads it.
impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.iter().enumerate() {
            formatter.write_str(if position == 0 { "" } else { "+" })?;
            formatter.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn lists_are_read_and_written() {
        for (text, written) in [("read", "read"), ("totp+read", "read+totp"), ("admin+admin", "admin")] {
            assert_eq!(Scopes::parse(text).map(|scopes| scopes.to_string()).as_deref(), Some(written));
        }
        for text in ["", "+", "read+", "Read", "root", "read,totp", " read"] {
            assert_eq!(Scopes::parse(text), None, "{text}");
        }
        assert!(Scope::ALL.into_iter().all(|scope| Scopes::ALL.contains(scope) && !Scopes::NONE.contains(scope)));
        assert_eq!(Scopes::parse(&Scopes::ALL.to_string()), Some(Scopes::ALL));
    }
}
