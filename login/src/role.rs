//! What a value is for, and which stored value is for what.

use crate::secret::SecretString;
use crate::supplier::Supplied;

/// What a field wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    Username,
    Password,
    /// The one-time code.
    Totp,
    /// The stored value of this name. Only where the caller names the field.
    Other(String),
}

/// Names of stored values that are a user name, the best first.
const USERNAMES: [&str; 6] = ["username", "user", "login", "email", "identifier", "phone"];
const PASSWORDS: [&str; 3] = ["password", "pass", "passwd"];

impl Role {
    /// The role of a field that the caller names.
    pub fn of_field(name: &str) -> Self {
        let named = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
        if named(&["totp", "totp_code"]) {
            Role::Totp
        } else if named(&PASSWORDS) {
            Role::Password
        } else if name.eq_ignore_ascii_case("username") {
            Role::Username
        } else {
            Role::Other(name.to_owned())
        }
    }

    /// The word in answers.
    pub fn as_str(&self) -> &str {
        match self {
            Role::Username => "username",
            Role::Password => "password",
            Role::Totp => "totp",
            Role::Other(name) => name,
        }
    }

    /// The word in the script and in logs: not the name of a value.
    pub fn kind(&self) -> &str {
        match self {
            Role::Other(_) => "other",
            role => role.as_str(),
        }
    }

    /// The value for it, if the credential has one. `wants_email`: the value named `email` is the better user name.
    pub(crate) fn value<'s>(&self, supplied: &'s Supplied, wants_email: bool) -> Option<&'s SecretString> {
        if *self == Role::Totp {
            return supplied.code.as_ref();
        }
        let at = self.find(supplied.values.iter().map(|(field, _)| field.as_str()), wants_email)?;
        supplied.values.get(at).map(|(_, value)| value)
    }

    /// Which of these stored names is for it.
    pub(crate) fn find<'n>(&self, stored: impl Iterator<Item = &'n str> + Clone, wants_email: bool) -> Option<usize> {
        let exact = |name: &str| stored.clone().position(|field| field.eq_ignore_ascii_case(name));
        let first = |names: &[&str]| names.iter().find_map(|name| exact(name));
        match self {
            Role::Username if wants_email => exact("email").or_else(|| first(&USERNAMES)),
            Role::Username => first(&USERNAMES),
            Role::Password => first(&PASSWORDS),
            Role::Totp => None,
            Role::Other(name) => stored.clone().position(|field| field == name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_name_is_the_user_name() {
        let of = |names: &[&str], email| Role::Username.find(names.iter().copied(), email);
        assert_eq!(of(&["email", "Login"], false), Some(1));
        assert_eq!(of(&["email", "Login"], true), Some(0));
        assert_eq!(of(&["login"], true), Some(0));
        assert_eq!(of(&["pin", "phone"], false), Some(1));
        assert_eq!(of(&["pin", "password"], false), None);
        assert_eq!(Role::Password.find(["PASS"].into_iter(), false), Some(0));
        assert_eq!(Role::Password.find(["passphrase"].into_iter(), false), None);
        assert_eq!(Role::Totp.find(["totp", "code"].into_iter(), false), None, "codes come from the secret only");
    }

    #[test]
    fn named_fields_keep_their_rules() {
        assert_eq!(Role::of_field("Password"), Role::Password);
        assert_eq!(Role::of_field("totp"), Role::Totp);
        assert_eq!(Role::of_field("email"), Role::Other("email".into()));
        assert_eq!(Role::of_field("email").kind(), "other");
    }
}
