//! The id of a store: a random number that it is given when a vault is begun in it, and keeps. The state directory
//! remembers it, so that no other store, and no empty one, is ever taken for the one that was there.

use anyhow::{Context, bail};

/// What is known of a store before it is opened.
#[derive(Clone, Copy, Debug)]
pub enum Identity<'a> {
    /// Made now, or just begun, with this id.
    New(&'a str),
    /// Any store that holds records. It keeps its id; if it has none it gets this.
    Any(&'a str),
    /// Any store in which a vault was begun: it has an id.
    Begun,
    /// The store of this id, in which a vault was begun.
    Known(&'a str),
    /// The same; where the store is a file its whole structure is checked: 0.65 s for the 94 MB of 10^5
    /// credentials.
    KnownAndWhole(&'a str),
}

impl Identity<'_> {
    /// The id that a store is given if it has none and may be given one.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::New(id) | Self::Any(id) | Self::Known(id) | Self::KnownAndWhole(id) => Some(id),
            Self::Begun => None,
        }
    }

    /// Judges what a store on other machines has for an id. `place` is the store as messages name it.
    pub(super) fn judge(&self, found: Option<&str>, place: &str) -> anyhow::Result<()> {
        match (self, found) {
            (Self::Any(_), _) | (Self::New(_), None) | (Self::Begun, Some(_)) => Ok(()),
            (Self::New(id) | Self::Known(id) | Self::KnownAndWhole(id), Some(found)) if *id == found => Ok(()),
            (Self::New(_), Some(_)) => bail!(
                "there is a vault in {place} already, which this state directory does not know: name its master key with \
                 --key-file"
            ),
            (Self::Begun, None) => {
                bail!("there is no vault in {place}: `strongroom serve`, `call` and `init` begin one")
            }
            (_, None) => bail!(
                "{place} has lost what it held, or is not the store of this state directory: name the right one, or put \
                 its content back from a backup. If it is lost for good, `strongroom init --force` starts an EMPTY vault"
            ),
            (_, Some(_)) => bail!(
                "{place} belongs to another state directory: name the right store. If this is the right one, remove \
                 store.id in the state directory"
            ),
        }
    }
}

/// A new id.
pub fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("the system gave no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::Identity;

    #[test]
    fn a_store_on_other_machines_is_never_taken_for_another() {
        let judge = |identity: Identity<'_>, found| {
            identity.judge(found, "etcd://host/prefix").map_err(|error| error.to_string())
        };
        for (identity, found) in [
            (Identity::New("a"), None),
            (Identity::New("a"), Some("a")),
            (Identity::Any("a"), None),
            (Identity::Any("a"), Some("b")),
            (Identity::Begun, Some("b")),
            (Identity::Known("a"), Some("a")),
        ] {
            assert_eq!(judge(identity, found), Ok(()), "{identity:?} {found:?}");
        }
        for (identity, found, reason) in [
            (Identity::New("a"), Some("b"), "--key-file"),
            (Identity::Begun, None, "there is no vault in"),
            (Identity::Known("a"), None, "has lost what it held"),
            (Identity::KnownAndWhole("a"), Some("b"), "belongs to another"),
        ] {
            let refusal = judge(identity, found).unwrap_err();
            assert!(refusal.contains(reason) && refusal.contains("etcd://host/prefix"), "{refusal}");
        }
    }
}
