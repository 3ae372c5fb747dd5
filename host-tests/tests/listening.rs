//! How the server can be reached: over TLS whose certificate is renewed while it runs, through a socket of its owner, and on
//! the loopback interface by local programs and not by pages of other sites; and how often.

use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strongroom_host_tests::{Program, TempDir, clients};

/// A server with these arguments, and the first line it prints.
struct Running(Child, String, #[expect(dead_code, reason = "the server prints more")] BufReader<ChildStdout>);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &Program, arguments: &[&str]) -> Running {
    let mut command = program.command(&[&["serve"], arguments].concat());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let place = line.trim().strip_prefix("Strongroom listens on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    Running(child, place, stdout)
}

/// A certificate for this machine, made by the program openssl.
fn certificate(directory: &Path, name: &str) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .arg(directory.join(format!("{name}.key")))
        .arg("-out")
        .arg(directory.join(format!("{name}.pem")))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

fn curl(arguments: &[&str]) -> std::process::Output {
    Command::new("curl").args(["-sS", "--max-time", "20"]).args(arguments).output().unwrap()
}

#[test]
fn tls_with_a_certificate_that_is_renewed_under_load() {
    let directory = TempDir::new();
    let program = Program::on(&directory.path().join("state"));
    certificate(directory.path(), "old");
    certificate(directory.path(), "new");
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (pem, key) = (path("tls.pem"), path("tls.key"));
    fs::copy(path("old.pem"), &pem).unwrap();
    fs::copy(path("old.key"), &key).unwrap();
    let serve =
        |pem: &str, key: &str| program.run(&["serve", "--listen", "127.0.0.1:0", "--tls-cert", pem, "--tls-key", key]);
    for (pem, key, reason) in [
        (path("missing.pem"), key.clone(), "missing.pem cannot be read"),
        (key.clone(), key.clone(), "holds no certificate"),
        (pem.clone(), pem.clone(), "holds no private key"),
        (pem.clone(), path("new.key"), "cannot be used together"),
    ] {
        let output = serve(&pem, &key);
        assert!(output.code == Some(1) && output.stderr.contains(reason), "{reason}: {output:?}");
    }

    let server = start(&program, &["--listen", "127.0.0.1:0", "--tls-cert", &pem, "--tls-key", &key]);
    let url = format!("{}/openapi.json", server.1);
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let with = |authority: &str| curl(&["--cacert", &path(authority), &url]);
    assert!(with("old.pem").status.success(), "{:?}", with("old.pem"));
    assert!(!with("new.pem").status.success(), "nobody else's certificate will do");
    let plain = curl(&[&url.replace("https", "http")]);
    assert!(!plain.status.success() || plain.stdout.is_empty(), "{plain:?}");

    let (done, failures) = (AtomicBool::new(false), std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let output = curl(&["--insecure", &url]);
                    if !output.status.success() {
                        failures.lock().unwrap().push(output);
                    }
                }
            });
        }
        // The certificate first: for a moment the two do not fit.
        fs::copy(path("new.pem"), &pem).unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        fs::copy(path("new.key"), &key).unwrap();
        let begin = Instant::now();
        while !with("new.pem").status.success() && begin.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(100));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(failures.lock().unwrap().is_empty(), "{failures:?}");
    assert!(with("new.pem").status.success() && !with("old.pem").status.success());

    let test = "tls_with_a_certificate_that_is_renewed_under_load";
    let Some(mut python) = clients::python(test, &[]) else { return };
    let script = "import ssl, sys, urllib.request as r; c = ssl.create_default_context(cafile=sys.argv[2]); \
                  print(r.urlopen(sys.argv[1], context=c).status)";
    let output = python.args(["-c", script, &url, &path("new.pem")]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "200", "{output:?}");
}

#[test]
fn a_socket_of_its_owner() {
    let directory = TempDir::new();
    let program = Program::on(&directory.path().join("state"));
    let socket = directory.path().join("socket");
    let listen = format!("unix:{}", socket.display());
    let server = start(&program, &["--listen", &listen]);
    assert_eq!(server.1, listen);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let health = || curl(&["--unix-socket", socket.to_str().unwrap(), "http://any-name/health"]);
    assert!(String::from_utf8_lossy(&health().stdout).contains("ready"), "{:?}", health());
    let second = program.run(&["serve", "--listen", &listen]);
    assert!(second.code == Some(1) && second.stderr.contains("another program does"), "{second:?}");
    // One that was left behind is replaced; what is no socket is not.
    drop(server);
    assert!(socket.exists());
    let server = start(&program, &["--listen", &listen]);
    assert!(health().status.success());
    drop(server);
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "kept").unwrap();
    assert!(program.run(&["serve", "--listen", &listen]).stderr.contains("no socket"));
    assert_eq!(fs::read(&socket).unwrap(), b"kept");
}

#[test]
fn pages_of_other_sites_are_refused_on_the_loopback_interface() {
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let client = server.client();
    assert_eq!(client.get("/credentials").status, 200);
    let ask = |request: &str, header: &str| {
        let request = format!(
            "{request} HTTP/1.1\r\n{header}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
            client.token
        );
        String::from_utf8(client.raw(request.as_bytes()).unwrap()).unwrap()
    };
    let with = |header: &str| ask("GET /credentials", header);
    for foreign in [
        "Host: rebound.evil.test:3000",
        "Host: localhost\r\nOrigin: https://evil.test",
        "Host: localhost\r\nOrigin: null",
    ] {
        assert!(with(foreign).starts_with("HTTP/1.1 403 "), "{foreign}");
        for method in ["POST", "GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS"] {
            let answer = ask(&format!("{method} /mcp"), foreign);
            assert!(answer.starts_with("HTTP/1.1 403 "), "{method} {foreign}");
        }
    }
    assert!(with("Host: localhost\r\nOrigin: http://localhost:8080").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_token_calls_as_often_as_it_may() {
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve_with(&["--rate-limit", "5", "--supply-limit", "2"]);
    let client = server.client();
    let new = json!({ "name": "a", "domain": "example.com", "values": { "password": "p" } });
    assert_eq!(client.post("/credentials", &new).status, 201);
    let supply = || client.post("/credentials/a/supply", &json!({ "origin": "https://example.com" }));
    assert_eq!((supply().status, supply().status), (200, 200));
    let refused = supply();
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 20, "{refused:?}");
    // As many at once as it takes to be more than five a second, however slow the machine is.
    let (begin, refused, served) = (Instant::now(), Mutex::new(None), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                while refused.lock().unwrap().is_none() && begin.elapsed() < Duration::from_secs(60) {
                    let answer = client.get("/credentials");
                    match answer.status {
                        200 => served.store(true, Ordering::Relaxed),
                        _ => *refused.lock().unwrap() = Some(answer),
                    }
                }
            });
        }
    });
    let refused = refused.into_inner().unwrap().expect("more than five a second");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{refused:?}");
    // What was used up comes back.
    while !served.load(Ordering::Relaxed) && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(200));
        served.store(client.get("/credentials").status == 200, Ordering::Relaxed);
    }
    assert!(served.load(Ordering::Relaxed));
}

#[test]
fn what_it_counts_is_for_administrators() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    let client = server.client();
    client.get("/credentials/canary-name");
    let metrics = client.get("/metrics");
    assert_eq!(metrics.status, 200);
    for line in [
        r#"strongroom_requests_total{method="GET",route="/credentials/{id_or_name}",status="404"} 1"#,
        "strongroom_store_faults_total 0",
        "strongroom_log_lines_dropped_total 0",
        "strongroom_instances 0",
        r#"strongroom_request_seconds_count{method="GET",route="/credentials/{id_or_name}",status="404"} 1"#,
        r#"strongroom_request_seconds_bucket{le="+Inf",method="GET",route="/credentials/{id_or_name}",status="404"} 1"#,
        "strongroom_garbage_records 0",
    ] {
        assert!(metrics.body.contains(line), "{line} is not in {}", metrics.body);
    }
    assert!(!metrics.body.contains("canary"));
    // Every name that there is.
    let names: Vec<_> = metrics.body.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let expected = [
        "strongroom_requests counter",
        "strongroom_request_seconds histogram",
        "strongroom_instances gauge",
        "strongroom_garbage_records gauge",
        "strongroom_store_operations counter",
        "strongroom_store_faults counter",
        "strongroom_log_lines_dropped counter",
        "strongroom_rollbacks counter",
    ];
    assert_eq!(names, expected);
    // They follow what happens.
    let number = |name: &str| {
        let text = client.get("/metrics").body;
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let operations = number("strongroom_store_operations_total");
    // More than fit into the root, which supersedes no other record.
    for n in 0..100 {
        let new = json!({ "name": format!("n{n}"), "domain": "example.com", "values": { "password": "p" } });
        assert_eq!(client.post("/credentials", &new).status, 201);
    }
    client.patch("/credentials/n1", &json!({ "values": { "password": "q" } }));
    client.delete("/credentials/n2");
    assert!(number("strongroom_garbage_records") > 0);
    assert!(number("strongroom_store_operations_total") > operations + 20);
    let database = rusqlite::Connection::open(program.state().join("sqlite_key_value.db")).unwrap();
    database.execute_batch("ALTER TABLE spin_key_value RENAME TO renamed").unwrap();
    assert_eq!(client.get("/credentials/n1").status, 500);
    assert!(number("strongroom_store_faults_total") > 0);
    assert_eq!(server.client_with("").get("/metrics").status, 401);
    let agent = fs::read_to_string(program.state().join("agent.token")).unwrap();
    assert_eq!(server.client_with(agent.trim()).get("/metrics").status, 403);
}

#[test]
fn its_memory_goes_into_no_core_file() {
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
}
