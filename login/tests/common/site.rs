//! A server for all hosts under `.test`, over TLS with one certificate of its own, that remembers every request.

use super::pages;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

#[derive(Clone, Debug)]
pub struct Request {
    pub host: String,
    pub method: String,
    pub path: String,
    pub query: String,
    pub cookie: String,
    /// Headers and body as they came, decoded from URL encoding.
    pub text: String,
}

#[derive(Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub delay: Duration,
}

pub struct Site {
    /// For https.
    pub port: u16,
    /// For plain http.
    pub http_port: u16,
    /// base64 of the SHA-256 of the certificate's key.
    pub key_hash: String,
    log: Arc<Mutex<Vec<Request>>>,
}

/// The names of the good certificate. `wrong.example.test` is not among them.
const GOOD: [&str; 3] = ["example.test", "app.example.test", "login.example.test"];
/// Those of the other, which everybody else gets.
const OTHERS: [&str; 3] = ["evil.test", "example.test.evil.test", "users.host.test"];

/// The certificate by the name that the client asks for.
#[derive(Debug)]
struct Certificates {
    good: Arc<CertifiedKey>,
    others: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let good = hello.server_name().is_some_and(|name| name.ends_with("example.test"));
        Some(if good { &self.good } else { &self.others }.clone())
    }
}

impl Site {
    pub async fn start() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        use base64ct::{Base64, Encoding};
        let key_hash = Base64::encode_string(&Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&key)));
        let certified = |names: [&str; 3]| {
            let params = rcgen::CertificateParams::new(names.map(str::to_owned)).unwrap();
            let certificate = CertificateDer::from(params.self_signed(&key).unwrap().der().to_vec());
            let signer = any_supported_type(&PrivatePkcs8KeyDer::from(key.serialize_der()).into()).unwrap();
            Arc::new(CertifiedKey::new(vec![certificate], signer))
        };
        let certificates = Certificates { good: certified(GOOD), others: certified(OTHERS) };
        let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(certificates));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let log = Arc::new(Mutex::new(Vec::new()));
        let secure = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, http_port) = (secure.local_addr().unwrap().port(), plain.local_addr().unwrap().port());
        let seen = log.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = secure.accept().await {
                let (acceptor, seen) = (acceptor.clone(), seen.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, seen).await;
                    }
                });
            }
        });
        let seen = log.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = plain.accept().await {
                let stream: TcpStream = stream;
                tokio::spawn(serve(stream, seen.clone()));
            }
        });
        Self { port, http_port, key_hash, log }
    }

    /// What came up to now, and forgets it.
    pub fn take_log(&self) -> Vec<Request> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, log: Arc<Mutex<Vec<Request>>>) {
    let mut bytes = Vec::new();
    while let Some(request) = read(&mut stream, &mut bytes).await {
        log.lock().unwrap().push(request.clone());
        let response = pages::answer(&request);
        tokio::time::sleep(response.delay).await;
        let mut head = format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\n", response.status, response.body.len());
        for (name, value) in &response.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let whole = [head.as_bytes(), &response.body].concat();
        if stream.write_all(&whole).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> Option<Request> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        if let Ok(httparse::Status::Complete(head)) = parsed.parse(bytes) {
            let header = |name: &str| {
                let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                found.map(|header| String::from_utf8_lossy(header.value).into_owned()).unwrap_or_default()
            };
            let length = header("content-length").parse().unwrap_or(0);
            if bytes.len() >= head + length {
                let (path, query) = parsed.path.unwrap().split_once('?').unwrap_or((parsed.path.unwrap(), ""));
                let request = Request {
                    host: header("host").split(':').next().unwrap_or_default().to_owned(),
                    method: parsed.method.unwrap().to_owned(),
                    path: path.to_owned(),
                    query: query.to_owned(),
                    cookie: header("cookie"),
                    text: decode(&bytes[..head + length]),
                };
                bytes.drain(..head + length);
                return Some(request);
            }
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// URL decoding, for what is looked for in it.
pub fn decode(bytes: &[u8]) -> String {
    let mut decoded = Vec::new();
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16)).unwrap_or(0);
                let value = digit() * 16 + digit();
                decoded.push(value as u8);
            }
            byte => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
