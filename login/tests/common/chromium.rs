//! Chromium, headless, with an empty profile, on a port of its own.

use super::site::Site;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use strongroom_login::Browser;

pub struct Chromium {
    child: Child,
    profile: PathBuf,
    pub port: u16,
}

/// `None` where there is no Chromium: then one line says that `test` is skipped. With `CI=true` it fails instead.
fn program(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("STRONGROOM_CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = || {
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let names = ["chromium", "chromium-browser", "google-chrome"];
        names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.exists())
    };
    if let Some(program) = named.or_else(installed) {
        return Some(program);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} must not be skipped with CI=true: no Chromium");
    // Not by `eprintln!`, which the test harness catches.
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("SKIPPED {test}: there is no Chromium (Debian: apt-get install chromium)\n").as_bytes(),
    );
    None
}

impl Chromium {
    /// A browser that trusts the sites' certificate.
    pub fn start(test: &str, site: &Site) -> Option<Self> {
        Self::start_with(test, site, &format!("MAP *.test:443 127.0.0.1:{}, MAP *.test:80 127.0.0.1:9", site.port))
    }

    /// The same with other rules for where hosts are.
    pub fn start_with(test: &str, site: &Site, rules: &str) -> Option<Self> {
        let program = program(test)?;
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let profile = std::env::temp_dir().join(format!("strongroom-login-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&profile).unwrap();
        let mut command = Command::new(program);
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--mute-audio", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("--host-resolver-rules={rules}"))
            .arg(format!("--ignore-certificate-errors-spki-list={}", site.key_hash))
            .arg("about:blank");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut chromium = Self { child, profile, port: 0 };
        let start = Instant::now();
        let file = chromium.profile.join("DevToolsActivePort");
        while chromium.port == 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "Chromium does not start");
            std::thread::sleep(Duration::from_millis(20));
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            // Both lines are there when it is complete.
            if let Some((port, path)) = text.split_once('\n')
                && path.len() > 10
            {
                chromium.port = port.parse().unwrap();
            }
        }
        Some(chromium)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn browser(&self) -> Browser {
        Browser::parse(&self.url()).unwrap()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its helpers may still write for a moment.
        for _ in 0..50 {
            if std::fs::remove_dir_all(&self.profile).is_ok() || !self.profile.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
