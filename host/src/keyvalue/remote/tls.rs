//! TLS to a store: always with the server's certificate checked against its name.

use super::url::TlsFiles;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Where systems keep the certificates of the authorities that they trust.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

pub fn connector(files: &TlsFiles) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    // A bundle of a system may hold some that are of no use.
    roots.add_parsable_certificates(certificates(&authorities(files)?)?);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match (&files.certificate, &files.key) {
        (Some(certificate), Some(path)) => {
            let key = PrivateKeyDer::from_pem_file(path)
                .map_err(|_| anyhow::anyhow!("{} cannot be read, or holds no private key in PEM", path.display()))?;
            let config = builder.with_client_auth_cert(certificates(certificate)?, key);
            config.with_context(|| format!("{} and its key cannot be used together", certificate.display()))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn authorities(files: &TlsFiles) -> Result<PathBuf> {
    let given = files.authorities.clone();
    let of_the_system = || {
        let variable = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        variable.into_iter().chain(BUNDLES.map(PathBuf::from)).find(|path| path.exists())
    };
    given
        .or_else(of_the_system)
        .context("--store: this system has no list of trusted authorities: name one by sslrootcert")
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|_| anyhow::anyhow!("{} cannot be read, or is no PEM file of certificates", path.display()))?;
    ensure!(!certificates.is_empty(), "{} holds no certificate in PEM", path.display());
    Ok(certificates)
}
