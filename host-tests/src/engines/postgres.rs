//! A server of PostgreSQL.

use super::{free_ports, kill, signal, wait_for};
use crate::TempDir;
use crate::skip::found;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const USER: &str = "strongroom";

/// A server, killed when dropped.
pub struct Postgres {
    programs: PathBuf,
    directory: TempDir,
    port: u16,
    child: Option<Child>,
    /// Bytes that a file of it may grow to, if it shall run out of them.
    file_max_bytes: Option<u64>,
}

impl Postgres {
    /// A new server that runs. `None` where PostgreSQL is not installed.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_with(test, "", None)
    }

    /// With more lines in its configuration. Files can't grow beyond `file_max_bytes`: a disk that is full.
    pub fn start_with(test: &str, configuration: &str, file_max_bytes: Option<u64>) -> Option<Self> {
        let programs = found(test, programs())?;
        let [port] = free_ports();
        let mut server = Self { programs, directory: TempDir::new(), port, child: None, file_max_bytes };
        give_to_user(server.directory.path());
        let initialise =
            ["--auth", "trust", "--username", USER, "--no-sync", "--encoding", "UTF8", "--wal-segsize", "1"];
        server.run(server.program("initdb").arg("--pgdata").arg(server.data()).args(initialise));
        server.configure(&format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nport = {port}\nmax_wal_size = 32MB\n\
             min_wal_size = 2MB\nshared_buffers = 8MB\nwal_keep_size = 64MB\n{configuration}"
        ));
        server.restart();
        Some(server)
    }

    /// A standby that follows this server under a name, for `synchronous_standby_names`.
    pub fn standby(&self, name: &str) -> Self {
        let [port] = free_ports();
        let directory = TempDir::new();
        give_to_user(directory.path());
        let mut standby = Self { programs: self.programs.clone(), directory, port, child: None, file_max_bytes: None };
        let from = format!("host=127.0.0.1 port={} user={USER} application_name={name}", self.port);
        let copy = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--wal-method=stream"];
        standby.run(
            standby.program("pg_basebackup").args(copy).arg("--dbname").arg(from).arg("--pgdata").arg(standby.data()),
        );
        standby.configure(&format!("port = {port}\n"));
        standby.restart();
        standby
    }

    /// The same, which has all that is acknowledged.
    pub fn synchronous_standby(&self) -> Self {
        let standby = self.standby("b");
        self.query("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (b)'");
        self.query("SELECT pg_reload_conf()");
        self.wait_until("SELECT sync_state FROM pg_stat_replication", "quorum");
        standby
    }

    /// `host:port`
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `--store` for this server and others.
    pub fn url(&self, others: &[&Postgres]) -> String {
        let hosts: Vec<_> = std::iter::once(self).chain(others.iter().copied()).map(Self::host).collect();
        format!("postgres://{USER}@{}/postgres", hosts.join(","))
    }

    /// `--store` for another database of this server.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}@{}/{database}", self.host())
    }

    /// The same as [`url`](Self::url) through something else on this machine.
    pub fn url_through(&self, port: u16) -> String {
        format!("postgres://{USER}@127.0.0.1:{port}/postgres")
    }

    /// Starts it, whether it runs or not, and waits until it answers.
    pub fn restart(&mut self) {
        self.kill();
        let log = self.directory.path().join("log");
        let started = || {
            let log = OpenOptions::new().append(true).create(true).open(&log).unwrap();
            let mut command = self.program("postgres");
            command.arg("-D").arg(self.data()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            command.spawn().unwrap()
        };
        let mut child = started();
        wait_for("PostgreSQL starts", || {
            // What the last one left may not be gone yet.
            if child.try_wait().unwrap().is_some() {
                child = started();
            }
            self.try_query("SELECT 1").is_ok()
        });
        self.child = Some(child);
    }

    /// As a power failure would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill(&mut child);
        }
    }

    /// As an operator would stop it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal("-INT", child.id());
            child.wait().unwrap();
        }
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        assert_eq!(self.query("SELECT pg_promote(true, 60)"), "t");
    }

    /// Lines of one statement's result. It must succeed.
    pub fn query(&self, sql: &str) -> String {
        self.try_query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The same of one that can fail.
    pub fn try_query(&self, sql: &str) -> Result<String, String> {
        let output = self.client(sql).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// A statement that nobody waits for.
    pub fn client(&self, sql: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        let arguments = ["--no-psqlrc", "--no-password", "-AtX", "-h", "127.0.0.1", "-U", USER, "-d", "postgres", "-p"];
        command.args(arguments).arg(self.port.to_string()).args(["-c", sql]);
        command.env("PGCONNECT_TIMEOUT", "5");
        command
    }

    /// Waits until a query says this.
    pub fn wait_until(&self, sql: &str, answer: &str) {
        wait_for(sql, || self.try_query(sql).as_deref() == Ok(answer));
    }

    /// Adds to its configuration, for the next start.
    pub fn configure(&self, lines: &str) {
        let path = self.data().join("postgresql.conf");
        OpenOptions::new().append(true).open(path).unwrap().write_all(lines.as_bytes()).unwrap();
    }

    /// Replaces the rules who may connect how, for the next start.
    pub fn allow(&self, rules: &str) {
        std::fs::write(self.data().join("pg_hba.conf"), rules).unwrap();
    }

    /// The certificate and key of the server.
    pub fn use_certificate(&self, certificate: &Path, key: &Path) {
        for (from, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let to = self.data().join(name);
            std::fs::copy(from, &to).unwrap();
            #[cfg(unix)]
            std::fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            give_to_user(&to);
        }
        self.configure("ssl = on\n");
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A program of PostgreSQL, which refuses to run as the root user.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = match user() {
            None => Command::new("sh"),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", user, "--regid", user, "--clear-groups", "sh"]);
                command
            }
        };
        // In blocks of 512 bytes. What writes beyond gets an error and no signal.
        let limit = self.file_max_bytes.filter(|_| name == "postgres");
        let limit = limit.map(|bytes| format!("ulimit -f {}; ", bytes / 512)).unwrap_or_default();
        command.args(["-c", &format!("{limit}exec \"$@\""), "sh"]).arg(path).current_dir(self.directory.path());
        // Not whatever somebody's shell says.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, command: &mut Command) {
        let log = File::create(self.directory.path().join("setup.log")).unwrap();
        let status = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).status().unwrap();
        let log = std::fs::read_to_string(self.directory.path().join("setup.log")).unwrap_or_default();
        assert!(status.success(), "{command:?}: {log}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where Debian has them: not on the path.
fn programs() -> Result<PathBuf, String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let found = folders.into_iter().rev().find(|folder| folder.join("postgres").exists());
    found.ok_or_else(|| "PostgreSQL is not installed in /usr/lib/postgresql (Debian: postgresql)".into())
}

/// The user for it, if this one is root.
fn user() -> Option<&'static str> {
    let output = Command::new("id").arg("-u").output().unwrap();
    (output.stdout == b"0\n").then_some("postgres")
}

fn give_to_user(path: &Path) {
    if let Some(user) = user() {
        assert!(Command::new("chown").arg(user).arg(path).status().unwrap().success());
    }
}
