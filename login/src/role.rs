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

/// Names of stored values that are a user name, the best first. Here and below as [`plain`] writes them.
const USERNAMES: [&str; 11] = [
    "username",
    "user",
    "login",
    "email",
    "identifier",
    "phone",
    // Columns of exports: Bitwarden's `login_username`, KeePass's `Login Name`.
    "loginusername",
    "loginname",
    "loginid",
    "userid",
    "benutzername",
];

/// Names of stored values that are the password, the best first. What other password managers write or read as one:
/// columns of exports (`Password`, RoboForm's `Pwd`, Bitwarden's `login_password`), fields that Browserpass and PassFF look
/// for (`pass`, `passwd`), and names that Bitwarden's imports take.
const PASSWORDS: [&str; 12] = [
    "password",
    "pass",
    "passwd",
    "pwd",
    "pw",
    "pword",
    "passwort",
    "loginpassword",
    "userpassword",
    "accountpassword",
    "sitepassword",
    "webpassword",
];

/// Names that may be the password or something beside it: taken if it is the only one of all these. `key`, `code`, `token`
/// and the like are not among them, though some imports take them: more often they are no password of a form.
const PERHAPS_PASSWORDS: [&str; 4] = ["secret", "passphrase", "passcode", "pin"];

impl Role {
    /// The role of a field that the caller names.
    pub fn of_field(name: &str) -> Self {
        match plain(name).as_str() {
            "totp" | "totpcode" => Role::Totp,
            "username" => Role::Username,
            plain if PASSWORDS.contains(&plain) => Role::Password,
            _ => Role::Other(name.to_owned()),
        }
    }

    /// The same for a credential with these values: one that is its password by another name is its password.
    pub(crate) fn of_stored<'n>(self, stored: impl Iterator<Item = &'n str> + Clone) -> Self {
        let password = Role::Password.find(stored.clone(), false);
        match &self {
            Role::Other(_) if password.is_some() && self.find(stored, false) == password => Role::Password,
            _ => self,
        }
    }

    /// Whether it may go into password fields only.
    pub(crate) fn is_secret(&self) -> bool {
        match self {
            Role::Password => true,
            Role::Other(name) => {
                let name = plain(name);
                PASSWORDS.iter().chain(&PERHAPS_PASSWORDS).any(|known| *known == name)
            }
            Role::Username | Role::Totp => false,
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

    /// The word in logs: not the name of a value.
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
        let named = |name: &str| stored.clone().position(|field| plain(field) == name);
        let first = |names: &[&str]| names.iter().find_map(|name| named(name));
        match self {
            Role::Username if wants_email => named("email").or_else(|| first(&USERNAMES)),
            Role::Username => first(&USERNAMES),
            Role::Password => first(&PASSWORDS).or_else(|| {
                let mut perhaps = stored.clone().enumerate().filter(|(_, field)| {
                    let field = plain(field);
                    PERHAPS_PASSWORDS.iter().any(|known| *known == field)
                });
                let (at, _) = perhaps.next()?;
                perhaps.next().is_none().then_some(at)
            }),
            Role::Totp => None,
            Role::Other(name) => stored.clone().position(|field| field == name),
        }
    }
}

/// A name without case and what separates words: `Login-Name` is `loginname`.
fn plain(name: &str) -> String {
    name.chars().filter(|character| !" _-.".contains(*character)).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(role: &Role, names: &[&str]) -> Option<usize> {
        role.find(names.iter().copied(), false)
    }

    #[test]
    fn the_best_name_is_the_user_name() {
        for (names, expected) in [
            (&["email", "Login"][..], Some(1)),
            (&["pin", "phone"], Some(1)),
            (&["pin", "password"], None),
            (&["login_username", "login_password"], Some(0)),
            (&["Account", "Login Name", "Password"], Some(1)),
            (&["E-Mail", "Passwort"], Some(0)),
            (&["first name", "user_id"], Some(1)),
            // Of the account or of somebody else: not guessed at.
            (&["account", "name", "id", "member"], None),
        ] {
            assert_eq!(of(&Role::Username, names), expected, "{names:?}");
        }
        let wants_email = |names: &[&str]| Role::Username.find(names.iter().copied(), true);
        assert_eq!((wants_email(&["login", "e-mail"]), wants_email(&["login"])), (Some(1), Some(0)));
    }

    #[test]
    fn passwords_have_the_names_that_other_programs_give_them() {
        for (names, expected) in [
            (&["password"][..], Some(0)),
            (&["PASS"], Some(0)),
            (&["Passwd"], Some(0)),
            (&["Pwd"], Some(0)),
            (&["pass word"], Some(0)),
            (&["Passwort"], Some(0)),
            (&["username", "login_password"], Some(1)),
            (&["Login Password"], Some(0)),
            (&["userPassword"], Some(0)),
            // The surest of several.
            (&["pin", "secret", "password"], Some(2)),
            (&["login_password", "pass"], Some(1)),
            // What else could be meant, if there is nothing else.
            (&["username", "pin"], Some(1)),
            (&["user", "Passphrase"], Some(1)),
            (&["passcode"], Some(0)),
            (&["secret"], Some(0)),
            (&["pin", "passphrase"], None),
            (&["PIN", "pin"], None),
            // More often these are something else, or the password of something else.
            (&["key"], None),
            (&["api_key"], None),
            (&["code"], None),
            (&["token"], None),
            (&["client_secret"], None),
            (&["old password"], None),
            (&["wifi-password"], None),
            (&["email_password"], None),
            (&["password hint"], None),
            (&["passport"], None),
            (&["p"], None),
        ] {
            assert_eq!(of(&Role::Password, names), expected, "{names:?}");
        }
        assert_eq!(of(&Role::Totp, &["totp", "code"]), None, "codes come from the secret only");
    }

    #[test]
    fn named_fields_keep_their_rules() {
        for (name, role) in [
            ("Password", Role::Password),
            ("login_password", Role::Password),
            ("pwd", Role::Password),
            ("totp", Role::Totp),
            ("totp_code", Role::Totp),
            ("User name", Role::Username),
            ("email", Role::Other("email".into())),
            ("pin", Role::Other("pin".into())),
        ] {
            assert_eq!(Role::of_field(name), role, "{name}");
        }
        assert_eq!(Role::of_field("email").kind(), "other");
        // What can be the password goes where passwords go, whatever it is called.
        for (name, is_secret) in [("pin", true), ("Secret", true), ("pwd", true), ("email", false), ("totp", false)] {
            assert_eq!(Role::of_field(name).is_secret(), is_secret, "{name}");
        }
        let stored = |names: &'static [&str], name: &str| Role::of_field(name).of_stored(names.iter().copied());
        assert_eq!(stored(&["username", "pin"], "pin"), Role::Password);
        assert_eq!(stored(&["password", "pin"], "pin"), Role::Other("pin".into()));
        assert_eq!(stored(&["email", "pin"], "email"), Role::Other("email".into()));
        assert_eq!(stored(&["email"], "missing"), Role::Other("missing".into()));
    }
}
