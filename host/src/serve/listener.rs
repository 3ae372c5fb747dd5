//! What the server listens on: a TCP port, with or without TLS, or a Unix socket.

use super::tls::Tls;
use crate::Result;
use anyhow::{Context, bail};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// See the module.
pub enum Listener {
    Tcp(TcpListener),
    Tls(TcpListener, Tls),
    #[cfg(unix)]
    Unix(UnixSocket),
}

/// A connection's bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that was accepted; with TLS, the handshake is still to come.
pub enum Accepted {
    Plain(Box<dyn Stream>),
    Tls(TcpStream, Arc<ServerConfig>),
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        let tcp = async |listener: &TcpListener| {
            let (stream, _) = listener.accept().await?;
            // Answers are single small segments; waiting to fill them up would cost 40 ms each.
            let _ = stream.set_nodelay(true);
            io::Result::Ok(stream)
        };
        match self {
            Self::Tcp(listener) => Ok(Accepted::Plain(Box::new(tcp(listener).await?))),
            Self::Tls(listener, tls) => Ok(Accepted::Tls(tcp(listener).await?, tls.config())),
            #[cfg(unix)]
            Self::Unix(socket) => Ok(Accepted::Plain(Box::new(socket.listener.accept().await?.0))),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl Accepted {
    pub async fn open(self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Plain(stream) => Ok(stream),
            Self::Tls(stream, config) => Ok(Box::new(TlsAcceptor::from(config).accept(stream).await?)),
        }
    }
}

/// A socket in the file system that only its owner can connect to (mode 0600); removed when it is dropped.
#[cfg(unix)]
pub struct UnixSocket {
    listener: tokio::net::UnixListener,
    path: PathBuf,
}

#[cfg(unix)]
impl UnixSocket {
    /// Takes the place of a socket on which nobody listens any more.
    pub fn bind(path: &Path) -> Result<Self> {
        use std::os::unix::fs::FileTypeExt;
        let shown = path.display();
        if let Ok(metadata) = std::fs::symlink_metadata(path) {
            let is_dead = || {
                let connected = std::os::unix::net::UnixStream::connect(path);
                matches!(connected, Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
            };
            match metadata.file_type().is_socket() {
                true if is_dead() => {
                    std::fs::remove_file(path).with_context(|| format!("{shown} cannot be removed"))?
                }
                true => bail!("{shown} cannot be listened on: another program does"),
                false => bail!("{shown} cannot be listened on: it is there and no socket"),
            }
        }
        // From its first moment nobody else can connect.
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let bound = tokio::net::UnixListener::bind(path);
        rustix::process::umask(before);
        let listener = bound.with_context(|| format!("{shown} cannot be listened on"))?;
        Ok(Self { listener, path: path.to_owned() })
    }
}

#[cfg(unix)]
impl Drop for UnixSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
