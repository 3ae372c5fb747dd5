//! The official Kernel SDKs work unchanged but for their base URL. What they do is in `clients/official.py` and
//! `clients/official.mjs`.

use std::fs::File;
use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use strongroom_host_tests::clients;
use strongroom_host_tests::engines::{Etcd, Postgres};
use strongroom_host_tests::{Program, TempDir};

const PYTHON_SDK: &str = "kernel==0.131.0";
const NODE_SDK: &str = "@onkernel/sdk@0.84.0";

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

fn python(test: &str, name: &str) -> Option<Command> {
    let mut command = clients::python(test, &[PYTHON_SDK])?;
    command.arg(script(name));
    Some(command)
}

fn node(test: &str, name: &str) -> Option<Command> {
    let mut command = clients::node(test, &[NODE_SDK])?;
    // Modules are looked for from where the script is; one from standard input is where the packages are.
    command.args(["--input-type=module", "-"]).stdin(File::open(script(name)).unwrap());
    Some(command)
}

fn passes(command: &mut Command) {
    // What somebody's shell says about the real service.
    for name in ["KERNEL_API_KEY", "KERNEL_BASE_URL", "KERNEL_CUSTOM_HEADERS", "HTTP_PROXY", "http_proxy"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn all_six_operations(client: Command) {
    let directory = TempDir::new();
    all_six_operations_on(&Program::on(directory.path()), client);
}

fn all_six_operations_on(program: &Program, mut client: Command) {
    let server = program.serve();
    let created = program.run(&["token", "new", "--name", "reader", "--scopes", "read"]);
    let (token, reader) = (server.admin_token(), created.stdout.trim().to_owned());
    assert!(reader.starts_with("sr_"), "{created:?}");
    passes(client.args([format!("http://{}", server.address()), token.clone(), reader.clone()]));
    let (status, output) = server.stop();
    assert!(status.success(), "{output:?}");
    for secret in [&token, &reader, "sk_wrong", "value-canary", "GEZDGNBVGY3TQOJQ"] {
        assert!(!output.stderr.contains(secret) && !output.stdout.contains(secret), "a secret is in the log");
    }
    // Neither the store nor the vault's program was ever in trouble.
    assert!(!output.stderr.contains(" 500 ") && !output.stderr.contains(" 503 "), "{}", output.stderr);
}

#[test]
fn python_sdk() {
    if let Some(client) = python("the official Python SDK", "official.py") {
        all_six_operations(client);
    }
}

#[test]
fn node_sdk() {
    if let Some(client) = node("the official Node SDK", "official.mjs") {
        all_six_operations(client);
    }
}

/// Both, one after the other, each on a vault of its own.
fn on_an_engine(test: &str, url: impl Fn(&str) -> String) {
    let python = python(&format!("{test}: the official Python SDK"), "official.py");
    let node = node(&format!("{test}: the official Node SDK"), "official.mjs");
    for (client, name) in [(python, "python"), (node, "node")] {
        let Some(client) = client else { continue };
        let directory = TempDir::new();
        all_six_operations_on(&Program::on(directory.path()).with_store(&url(name)), client);
    }
}

#[test]
fn on_postgres() {
    let test = "official clients on PostgreSQL";
    let Some(server) = Postgres::start(test) else { return };
    on_an_engine(test, |database| {
        server.query(&format!("CREATE DATABASE {database}"));
        server.url_of(database)
    });
}

#[test]
fn on_etcd() {
    let test = "official clients on etcd";
    let Some(cluster) = Etcd::start(test, 1) else { return };
    on_an_engine(test, |prefix| format!("{}/{prefix}", cluster.url()));
}

fn gets_its_credential_though_the_answer_was_lost(mut client: Command) {
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let proxy = swallow_the_first_answer(server.address());
    passes(client.args([format!("http://{proxy}"), server.admin_token()]));
    let statuses: Vec<_> = server
        .log()
        .lines()
        .filter_map(|line| line.split("POST /credentials ").nth(1))
        .map(|rest| rest[..3].to_owned())
        .collect();
    assert_eq!(statuses, ["201", "201"], "one create, and its repetition");
}

#[test]
fn python_sdk_after_a_lost_answer() {
    if let Some(client) = python("the official Python SDK after a lost answer", "lost_answer.py") {
        gets_its_credential_though_the_answer_was_lost(client);
    }
}

#[test]
fn node_sdk_after_a_lost_answer() {
    if let Some(client) = node("the official Node SDK after a lost answer", "lost_answer.mjs") {
        gets_its_credential_though_the_answer_was_lost(client);
    }
}

/// A proxy on a port of its own. The first connection's first answer is waited for and thrown away, and the connection
/// cut; all others are passed on.
fn swallow_the_first_answer(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (client, upstream) = (client.unwrap(), TcpStream::connect(server).unwrap());
            let (client_copy, upstream_copy) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            thread::spawn(move || pass_on(client, upstream));
            thread::spawn(move || match number {
                0 => swallow(upstream_copy, client_copy),
                _ => pass_on(upstream_copy, client_copy),
            });
        }
    });
    address
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

fn swallow(mut from: TcpStream, to: TcpStream) {
    // The answer begins when the change is committed.
    let _ = from.read(&mut [0; 1]);
    let _ = to.shutdown(Shutdown::Both);
}
