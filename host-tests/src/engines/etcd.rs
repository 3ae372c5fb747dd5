//! A cluster of etcd.

use super::{free_ports, kill, signal, wait_for};
use crate::TempDir;
use crate::skip::found;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Members, killed when dropped.
pub struct Etcd {
    directory: TempDir,
    /// For clients and for other members.
    ports: Vec<[u16; 2]>,
    members: Vec<Option<Child>>,
    arguments: Vec<String>,
    /// A port with TLS of the first member, and its certificate and key.
    secure: Option<(u16, [PathBuf; 2])>,
}

impl Etcd {
    /// So many members that run. `None` where etcd is not installed.
    pub fn start(test: &str, members: usize) -> Option<Self> {
        Self::start_with(test, members, &[])
    }

    /// One that has a port with TLS too.
    pub fn start_secure(test: &str, certificate: &Path, key: &Path) -> Option<Self> {
        let [port] = free_ports();
        Self::start_as(test, 1, &[], Some((port, [certificate.to_owned(), key.to_owned()])))
    }

    /// With more arguments for each member.
    pub fn start_with(test: &str, members: usize, arguments: &[&str]) -> Option<Self> {
        Self::start_as(test, members, arguments, None)
    }

    fn start_as(test: &str, members: usize, arguments: &[&str], secure: Option<(u16, [PathBuf; 2])>) -> Option<Self> {
        let asked = Command::new("etcd").arg("--version").output();
        found(test, asked.map_err(|error| format!("etcd cannot be run: {error} (Debian: etcd-server)")))?;
        let ports = free_ports::<10>();
        let mut etcd = Self {
            directory: TempDir::new(),
            ports: (0..members).map(|member| [ports[2 * member], ports[2 * member + 1]]).collect(),
            members: (0..members).map(|_| None).collect(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            secure,
        };
        (0..members).for_each(|member| etcd.spawn(member));
        etcd.wait_for_leader();
        Some(etcd)
    }

    /// `--store` for all members.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.ports.iter().map(|[port, _]| format!("127.0.0.1:{port}")).collect();
        format!("etcd://{}/test", hosts.join(","))
    }

    pub fn port(&self, member: usize) -> u16 {
        self.ports[member][0]
    }

    /// That of [`start_secure`](Self::start_secure).
    pub fn secure_port(&self) -> u16 {
        self.secure.as_ref().unwrap().0
    }

    pub fn len(&self) -> usize {
        self.ports.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    /// As a power failure would.
    pub fn kill(&mut self, member: usize) {
        if let Some(mut child) = self.members[member].take() {
            kill(&mut child);
        }
    }

    /// Starts a member that was killed.
    pub fn spawn(&mut self, member: usize) {
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let [client, peer] = self.ports[member].map(url);
        let cluster: Vec<_> =
            self.ports.iter().enumerate().map(|(number, [_, peer])| format!("m{number}={}", url(*peer))).collect();
        let log = self.directory.path().join(format!("log{member}"));
        let log = OpenOptions::new().append(true).create(true).open(log).unwrap();
        let mut command = Command::new("etcd");
        let mut listen = client.clone();
        if let Some((port, [certificate, key])) = &self.secure {
            listen += &format!(",https://127.0.0.1:{port}");
            command.arg("--cert-file").arg(certificate).arg("--key-file").arg(key);
        }
        let child = command
            .args(["--name", &format!("m{member}"), "--log-outputs", "stderr", "--logger", "zap"])
            .arg("--data-dir")
            .arg(self.directory.path().join(format!("data{member}")))
            .args(["--listen-client-urls", &listen, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &cluster.join(","), "--initial-cluster-state", "new"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.members[member] = Some(child.unwrap());
    }

    /// Stops a member in the middle of whatever it does, until it is resumed.
    pub fn pause(&self, member: usize) {
        signal("-STOP", self.members[member].as_ref().unwrap().id());
    }

    pub fn resume(&self, member: usize) {
        signal("-CONT", self.members[member].as_ref().unwrap().id());
    }

    /// The member that leads, as the others say.
    pub fn leader(&self) -> Option<usize> {
        let status: Vec<_> =
            (0..self.len()).map(|member| self.ask(member, "/v3/maintenance/status", &json!({}))).collect();
        let leader = status.iter().flatten().find_map(|status| status["leader"].as_str().filter(|id| *id != "0"))?;
        status.iter().position(|status| status.as_ref().is_some_and(|status| status["header"]["member_id"] == leader))
    }

    pub fn wait_for_leader(&self) {
        let is_led = || {
            self.leader().is_some_and(|leader| self.ask(leader, "/v3/kv/range", &json!({ "key": "AA==" })).is_some())
        };
        wait_for("etcd has a leader", is_led);
    }

    /// An answer of a member's; `None` if there is none, or an error.
    pub fn ask(&self, member: usize, path: &str, body: &Value) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port(member))).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(3))).ok()?;
        let body = body.to_string();
        let head = format!("POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.lines().next()?.contains(" 200 ").then(|| serde_json::from_str(body).ok())?
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        (0..self.len()).for_each(|member| self.kill(member));
    }
}
