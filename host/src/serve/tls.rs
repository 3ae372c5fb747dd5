//! TLS, with certificates that can be renewed while the server runs.

use crate::{Result, report};
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How long the files are believed to be as they were.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A certificate and its key, from two PEM files. When they change, connections from then on get the new ones; while
/// they can't be used together, the last that could.
pub struct Tls {
    certificates: PathBuf,
    key: PathBuf,
    last: Mutex<Last>,
}

struct Last {
    looked: Instant,
    stamps: Option<[Stamp; 2]>,
    config: Arc<ServerConfig>,
}

/// Time of change and length.
type Stamp = (SystemTime, u64);

impl Tls {
    pub fn load(certificates: &Path, key: &Path) -> Result<Self> {
        let stamps = stamps(certificates, key);
        let config = load(certificates, key)?;
        let last = Mutex::new(Last { looked: Instant::now(), stamps, config });
        Ok(Self { certificates: certificates.to_owned(), key: key.to_owned(), last })
    }

    /// What the next connection is served with.
    pub fn config(&self) -> Arc<ServerConfig> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.looked.elapsed() < LOOK_INTERVAL {
            return last.config.clone();
        }
        last.looked = Instant::now();
        let stamps = stamps(&self.certificates, &self.key);
        if stamps != last.stamps {
            match load(&self.certificates, &self.key) {
                Ok(config) => {
                    last.config = config;
                    last.stamps = stamps;
                    tracing::info!(target: "strongroom", "the certificate was read again");
                }
                // Perhaps one of the two files is still on its way.
                Err(error) => report::fault("the new certificate cannot be used", &format_args!("{error:#}")),
            }
        }
        last.config.clone()
    }
}

fn stamps(certificates: &Path, key: &Path) -> Option<[Stamp; 2]> {
    let stamp = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    Some([stamp(certificates)?, stamp(key)?])
}

fn load(certificates: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let shown = certificates.display();
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|_| anyhow::anyhow!("{shown} cannot be read, or is no PEM file of certificates"))?;
    ensure!(!chain.is_empty(), "{shown} holds no certificate in PEM");
    let key_der = PrivateKeyDer::from_pem_file(key)
        .map_err(|_| anyhow::anyhow!("{} cannot be read, or holds no private key in PEM", key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .with_context(|| format!("{shown} and {} cannot be used together", key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
