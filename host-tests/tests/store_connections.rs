//! Connections to engines on other machines: TLS with the certificate checked, users with passwords, and no password in any
//! message.

use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use strongroom_host::Result;
use strongroom_host::keyvalue::{Expected, Identity, StoreUrl, Swap};
use strongroom_host_tests::TempDir;
use strongroom_host_tests::engines::{Etcd, Postgres};

const ID: &str = "00112233445566778899aabbccddeeff";

/// As it stands in a URL: `canary p@ss`.
const PASSWORD: &str = "canary%20p%40ss";
const PASSWORD_IN_CLEAR: &str = "canary p@ss";

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

/// A certificate of 127.0.0.1 that is its own authority, made by the program openssl.
fn certificate(directory: &Path, name: &str) -> [PathBuf; 2] {
    let (certificate, key) = (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=engine", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    [certificate, key]
}

async fn works(url: &str) -> Result<()> {
    let directory = TempDir::new();
    let store = StoreUrl::parse(url)?.open(directory.path(), &Identity::Any(ID)).await?;
    store.delete("default", "k").await.unwrap();
    assert_eq!(store.swap("default", "k", Expected::Absent, b"v").await, Ok(Swap::Done));
    assert_eq!(store.get("default", "k").await, Ok(Some(b"v".to_vec())));
    Ok(())
}

async fn refusal(url: &str) -> String {
    let refusal = format!("{:#}", works(url).await.unwrap_err());
    for secret in [PASSWORD, PASSWORD_IN_CLEAR, "wrong-canary"] {
        assert!(!refusal.contains(secret), "{refusal}");
    }
    refusal
}

#[test]
fn to_postgres() {
    let Some(mut server) = Postgres::start("TLS to PostgreSQL") else { return };
    let directory = TempDir::new();
    let [authority, key] = certificate(directory.path(), "server");
    let [other, _] = certificate(directory.path(), "other");
    server.use_certificate(&authority, &key);
    server.query(&format!(
        "SET password_encryption = 'scram-sha-256'; CREATE ROLE app LOGIN PASSWORD '{PASSWORD_IN_CLEAR}'"
    ));
    server.query("GRANT CREATE, USAGE ON SCHEMA public TO app");
    server.allow("host all strongroom 127.0.0.1/32 trust\nhostssl all app 127.0.0.1/32 scram-sha-256\n");
    server.restart();
    let url = |password: &str, host: &str, query: &str| {
        format!("postgres://app:{password}@{host}:{}/postgres?{query}", server.port())
    };
    let tls = |authority: &Path| format!("sslmode=verify-full&sslrootcert={}", authority.display());
    run(async {
        works(&url(PASSWORD, "127.0.0.1", &tls(&authority))).await.unwrap();
        let refused = refusal(&url("wrong-canary", "127.0.0.1", &tls(&authority))).await;
        assert!(refused.contains("password authentication failed"), "{refused}");
        for url in [
            url(PASSWORD, "127.0.0.1", &tls(&other)),
            url(PASSWORD, "127.0.0.1", "sslmode=verify-full"),
            // The certificate is of an address, not of this name.
            url(PASSWORD, "localhost", &tls(&authority)),
        ] {
            let refused = refusal(&url).await;
            assert!(refused.contains("certificate"), "{refused}");
        }
        // Without TLS the server does not want it.
        let refused = refusal(&url(PASSWORD, "127.0.0.1", "sslmode=disable")).await;
        assert!(refused.contains("28000"), "{refused}");
        let missing = refusal(&url(PASSWORD, "127.0.0.1", &tls(&directory.path().join("missing.pem")))).await;
        assert!(missing.contains("missing.pem cannot be read"), "{missing}");
    });
}

#[test]
fn to_etcd() {
    let directory = TempDir::new();
    let [authority, key] = certificate(directory.path(), "server");
    let [other, _] = certificate(directory.path(), "other");
    let Some(mut cluster) = Etcd::start_secure("TLS to etcd", &authority, &key) else { return };
    let port = cluster.secure_port();
    let url = |user: &str, host: &str, query: &str| format!("etcd://{user}{host}:{port}/test?{query}");
    let tls = |authority: &Path| format!("sslmode=verify-full&sslrootcert={}", authority.display());
    run(async {
        works(&url("", "127.0.0.1", &tls(&authority))).await.unwrap();
        for url in [url("", "127.0.0.1", &tls(&other)), url("", "localhost", &tls(&authority))] {
            let refused = refusal(&url).await;
            assert!(refused.contains("certificate"), "{refused}");
        }
    });
    for (path, body) in [
        ("/v3/auth/user/add", json!({ "name": "root", "password": PASSWORD_IN_CLEAR })),
        ("/v3/auth/role/add", json!({ "name": "root" })),
        ("/v3/auth/user/grant", json!({ "user": "root", "role": "root" })),
        ("/v3/auth/enable", json!({})),
    ] {
        assert!(cluster.ask(0, path, &body).is_some(), "{path}");
    }
    run(async {
        let with_user = url(&format!("root:{PASSWORD}@"), "127.0.0.1", &tls(&authority));
        works(&with_user).await.unwrap();
        let refused = refusal(&url("root:wrong-canary@", "127.0.0.1", &tls(&authority))).await;
        assert!(refused.contains("authentication failed"), "{refused}");
        let refused = refusal(&url("", "127.0.0.1", &tls(&authority))).await;
        assert!(refused.contains("user name is empty") || refused.contains("user and password"), "{refused}");

        // A member that was started again knows no token of before: another one is asked for.
        let store = StoreUrl::parse(&with_user).unwrap();
        let store = store.open(directory.path(), &Identity::Any(ID)).await.unwrap();
        cluster.kill(0);
        cluster.spawn(0);
        let seen = store.current("default", "k").await.unwrap().unwrap();
        cluster.kill(0);
        cluster.spawn(0);
        assert_eq!(store.get("default", "k").await, Ok(Some(b"v".to_vec())));
        assert_eq!(store.swap("default", "k", Expected::Value(&seen), b"w").await, Ok(Swap::Done));
    });
    let _ = fs::remove_dir_all(directory.path());
}
