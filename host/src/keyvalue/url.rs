//! Which store: the value of `--store`.

#[cfg(any(feature = "postgres", feature = "etcd"))]
use super::remote::url::RemoteUrl;
use super::{DATABASE_FILE, Identity, SqliteStore, VaultStore};
use anyhow::{Result, bail, ensure};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:` is the file in the state directory, `sqlite:DIRECTORY` the one there.
    Sqlite(Option<PathBuf>),
    /// `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE`
    #[cfg(feature = "postgres")]
    Postgres(RemoteUrl),
    /// `etcd://USER:PASSWORD@HOST:PORT,HOST:PORT/PREFIX`
    #[cfg(feature = "etcd")]
    Etcd(RemoteUrl),
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self::Sqlite(None)
    }
}

impl StoreUrl {
    /// No error quotes the URL: a password can stand in it.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(directory) = text.strip_prefix("sqlite:") {
            return Ok(Self::Sqlite(Some(directory).filter(|path| !path.is_empty()).map(PathBuf::from)));
        }
        match text.split_once("://") {
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", rest)) => {
                Ok(Self::Postgres(RemoteUrl::parse("postgres", super::postgres::DEFAULT_PORT, rest)?))
            }
            #[cfg(feature = "etcd")]
            Some(("etcd", rest)) => Ok(Self::Etcd(RemoteUrl::parse("etcd", super::etcd::DEFAULT_PORT, rest)?)),
            _ => bail!("--store: the URL begins with `sqlite:`, `postgres://` or `etcd://`"),
        }
    }

    /// The folder of the file, if it is one; that of the state directory if no other is named.
    pub fn directory<'a>(&'a self, state: &'a Path) -> Option<&'a Path> {
        match self {
            Self::Sqlite(directory) => Some(directory.as_deref().unwrap_or(state)),
            #[cfg(any(feature = "postgres", feature = "etcd"))]
            _ => None,
        }
    }

    /// Whether it is elsewhere than on this machine's disk.
    pub fn is_remote(&self) -> bool {
        !matches!(self, Self::Sqlite(_))
    }

    /// Opens the store that is expected there; a file, in this directory if none is named.
    pub async fn open(&self, state: &Path, identity: &Identity<'_>) -> Result<Arc<dyn VaultStore>> {
        Ok(match self {
            Self::Sqlite(directory) => {
                let directory = directory.as_deref().unwrap_or(state);
                let path = directory.join(DATABASE_FILE);
                Arc::new(match identity {
                    Identity::Begun => {
                        ensure!(path.exists(), "there is no {}", path.display());
                        SqliteStore::open(directory)?
                    }
                    Identity::Any(id) if !path.exists() => SqliteStore::open_as(directory, &Identity::New(id))?,
                    _ => SqliteStore::open_as(directory, identity)?,
                })
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => Arc::new(super::PostgresStore::open(url, identity).await?),
            #[cfg(feature = "etcd")]
            Self::Etcd(url) => Arc::new(super::EtcdStore::open(url, identity).await?),
        })
    }
}

/// Without user, password and parameters.
impl fmt::Display for StoreUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(None) => formatter.write_str("sqlite:"),
            Self::Sqlite(Some(directory)) => write!(formatter, "sqlite:{}", directory.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => url.fmt(formatter),
            #[cfg(feature = "etcd")]
            Self::Etcd(url) => url.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_has_its_scheme() {
        for (text, shown) in [
            ("sqlite:", "sqlite:"),
            ("sqlite:/var/lib/x", "sqlite:/var/lib/x"),
            #[cfg(feature = "postgres")]
            ("postgresql://u:hunter2@a,b:1/d", "postgres://a:5432,b:1/d"),
            #[cfg(feature = "etcd")]
            ("etcd://root:hunter2@a/p", "etcd://a:2379/p"),
        ] {
            assert_eq!(StoreUrl::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", "redis://u:hunter2@h", "postgres:u:hunter2@h", "u:hunter2@h"] {
            let error = StoreUrl::parse(text).unwrap_err().to_string();
            assert!(error.starts_with("--store: ") && !error.contains("hunter2"), "{error}");
        }
    }
}
