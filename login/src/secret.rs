//! Text that must not be seen: no Debug, no Display, no Serialize, wiped when it goes out of use.

use zeroize::Zeroizing;

/// Secret text, for instance a password.
pub struct SecretString(Zeroizing<String>);

impl SecretString {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Each caller is a place where a secret can leak: keep them few.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}
