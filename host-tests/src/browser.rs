//! Chromium with an empty profile, and a site to log in at.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::TempDir;

/// How long a browser may take to start, or to load a page.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The title of the site's forms. It stands behind the form: where it is shown, the form is there.
const FORM_TITLE: &str = "Sign in";

/// A running browser; killed when dropped.
pub struct Chromium {
    child: Child,
    port: u16,
    // Removed after the browser has ended.
    _profile: TempDir,
}

impl Chromium {
    /// `None` where there is none: then one line says that `test` is skipped. With `CI=true` it fails instead.
    pub fn start(test: &str) -> Option<Self> {
        let program = std::env::var("STRONGROOM_CHROMIUM").unwrap_or_else(|_| "chromium".into());
        let profile = TempDir::new();
        let mut command = Command::new(program);
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--remote-debugging-port=0", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()));
        let Ok(child) = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "{test} must not be skipped with CI=true: no Chromium"
            );
            // Not by `eprintln!`, which the test harness catches.
            let _ =
                writeln!(std::io::stderr(), "SKIPPED {test}: there is no Chromium (Debian: apt-get install chromium)");
            return None;
        };
        let file = profile.path().join("DevToolsActivePort");
        let mut chromium = Self { child, port: 0, _profile: profile };
        let start = Instant::now();
        while chromium.port == 0 {
            assert!(start.elapsed() < TIMEOUT, "Chromium does not start");
            std::thread::sleep(Duration::from_millis(20));
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            // Both lines are there when it is complete.
            if let Some((port, "/devtools")) =
                text.split_once('\n').map(|(port, path)| (port, &path[..9.min(path.len())]))
            {
                chromium.port = port.parse().unwrap();
            }
        }
        Some(chromium)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Opens a page of [`LoginSite`] with a form, as an agent does; its target id when the form is there.
    pub fn open(&self, url: &str) -> String {
        let opened = self.ask("PUT", &format!("/json/new?{url}"));
        let id = opened["id"].as_str().unwrap().to_owned();
        let start = Instant::now();
        while self.page(&id)["title"] != FORM_TITLE || self.address(&id) != url {
            assert!(start.elapsed() < TIMEOUT, "{url} is not loaded");
            std::thread::sleep(Duration::from_millis(20));
        }
        id
    }

    /// Where a page is now.
    pub fn address(&self, id: &str) -> String {
        self.page(id)["url"].as_str().unwrap_or_default().to_owned()
    }

    pub fn title(&self, id: &str) -> String {
        self.page(id)["title"].as_str().unwrap_or_default().to_owned()
    }

    /// What the browser says of a page; null if there is none.
    fn page(&self, id: &str) -> Value {
        let all = self.ask("GET", "/json/list");
        all.as_array().unwrap().iter().find(|page| page["id"] == id).cloned().unwrap_or_default()
    }

    pub fn close(&self, id: &str) {
        // The answer is no JSON.
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "GET /json/close/{id} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", self.port).unwrap();
        let _ = stream.read(&mut [0; 256]);
    }

    fn ask(&self, method: &str, path: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", self.port).unwrap();
        let (head, body) = read_message(&mut BufReader::new(stream)).unwrap();
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {head}"))
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A site on this machine: a form at `/`, where it goes at `/welcome`, and the bodies of what was sent to it. `/code` asks
/// for a one-time code too, the form of `/to/AUTHORITY` goes there over https, and `/keeping` stays as it is when its form
/// was sent, with the title "Filled" as long as there is a password in it.
pub struct LoginSite {
    pub port: u16,
    received: Arc<Mutex<Vec<String>>>,
}

impl LoginSite {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = received.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = seen.clone();
                std::thread::spawn(move || serve(stream, &seen));
            }
        });
        Self { port, received }
    }

    /// As `localhost`, to which the credentials belong.
    pub fn url(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }

    /// A page that keeps what is written into it.
    pub fn keeping_url(&self) -> String {
        format!("{}keeping", self.url())
    }

    /// The same site under a name that no credential belongs to.
    pub fn other_url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// What was sent since the last time.
    pub fn received(&self) -> Vec<String> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

fn serve(stream: TcpStream, received: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    while let Some((head, body)) = read_message(&mut reader) {
        let page =
            |body: &str| format!("200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let answer = if head.starts_with("POST /kept") {
            received.lock().unwrap().push(body);
            "204 No Content\r\n\r\n".to_owned()
        } else if head.starts_with("POST") {
            received.lock().unwrap().push(body);
            "303 See Other\r\nlocation: /welcome\r\ncontent-length: 0\r\n\r\n".to_owned()
        } else {
            let path = head.split(' ').nth(1).unwrap_or_default();
            match (path, path.strip_prefix("/to/")) {
                ("/", _) => page(&form("/session", "")),
                ("/code", _) => page(&form("/session", "<input name=otp autocomplete=one-time-code>")),
                ("/keeping", _) => page(&form("/kept", SAYS_WHETHER_FILLED)),
                (_, Some(authority)) => page(&form(&format!("https://{authority}/session"), "")),
                _ => page("<h1>Welcome</h1>"),
            }
        };
        if write!(reader.get_mut(), "HTTP/1.1 {answer}").is_err() {
            return;
        }
    }
}

/// In a form, after its fields.
const SAYS_WHETHER_FILLED: &str = "<script>setInterval(() => \
    { document.title = document.querySelector('[type=password]').value ? 'Filled' : 'Sign in' }, 50)</script>";

fn form(action: &str, more: &str) -> String {
    format!(
        "<form method=post action={action}><input name=username autocomplete=username>\
         <input name=password type=password autocomplete=current-password>{more}<button>Sign in</button></form>\
         <title>{FORM_TITLE}</title>"
    )
}

/// First lines and body of an HTTP message.
fn read_message(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}
