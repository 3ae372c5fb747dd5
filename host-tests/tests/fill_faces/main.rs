//! One login by each face, in a real Chromium: the tool `fill_login` for the Rust SDK's client, REST, and the shell. The
//! answers are the same, hold no value, and the audit has one event for each.

mod ends;
mod mcp;
mod world;

use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use strongroom_host_tests::TempDir;
#[cfg(target_os = "linux")]
use strongroom_host_tests::spawn_seen;
use world::{PASSWORD, USERNAME, World, block_on, check_answer, check_event, log_in};

#[test]
fn over_rest_and_from_the_shell() {
    let Some(world) = World::start("a login over REST and from the shell") else { return };
    let origin = world.origin();
    let options = world.options();
    let server = world.program.serve_with(&options.each_ref().map(String::as_str));
    let token = world.program.run(&["token", "new", "--name", "filler", "--scopes", "fill"]).stdout;
    let page = world.chromium.open(&world.site.url());
    let answer = server.client_with(token.trim()).post("/credentials/login/fill", &json!({"page": page}));
    assert_eq!(answer.status, 200);
    check_answer(&answer.json(), &page, &origin);
    world.assert_logged_in(&page);
    let (_, output) = server.stop();
    let line = output.stderr.lines().find(|line| line.contains("login submitted")).unwrap();
    assert!(line.contains(&format!("steps={origin}:username+password token=filler")), "{line}");

    let page = world.chromium.open(&world.site.url());
    let port = world.site.port.to_string();
    let url = world.chromium.url();
    let output = world.program.run(&["fill", &world.id, "--browser", &url, "--page", &page, "--allow-port", &port]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    check_answer(&serde_json::from_str(&output.stdout).unwrap(), &page, &origin);
    world.assert_logged_in(&page);

    let steps = json!([{"origin": origin, "filled": ["username", "password"]}]);
    let [by_shell, by_rest] = &world.uses()[..] else { panic!("{:?}", world.uses()) };
    check_event(by_rest, "filler", "submitted", &steps);
    check_event(by_shell, "host", "submitted", &steps);
    assert_eq!((&by_rest["browser"], &by_shell["browser"]), (&json!("agent"), &Value::Null));
    for said in [&output.stdout, &output.stderr, line] {
        assert!(!said.contains("canary"), "{said}");
    }
}

/// A form that goes to another company's host, where the operator says so for the credential.
#[test]
fn where_a_form_may_go_is_the_operators_choice() {
    let Some(world) = World::start("a form that goes elsewhere") else { return };
    // Whether the browser went there; what it would send is in `login/tests`.
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = elsewhere.local_addr().unwrap().to_string();
    let visits = Arc::new(AtomicUsize::new(0));
    let seen = visits.clone();
    std::thread::spawn(move || elsewhere.incoming().for_each(|_| _ = seen.fetch_add(1, Ordering::SeqCst)));
    let url = format!("{}to/{authority}", world.site.url());

    let (port, browser) = (world.site.port.to_string(), world.chromium.url());
    let fill = |page: &str, more: &[&str]| {
        let arguments = ["fill", &world.id, "--browser", &browser, "--page", page, "--allow-port", &port];
        world.program.run(&[&arguments[..], more].concat())
    };
    let page = world.chromium.open(&url);
    let output = fill(&page, &[]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert_eq!(serde_json::from_str::<Value>(&output.stdout).unwrap()["code"], "form_leaves_domain");
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    let output = fill(&page, &["--allow-form-origin", &format!("https://{authority}")]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(visits.swap(0, Ordering::SeqCst) > 0);

    block_on(async {
        let another =
            json!({"action": "create", "name": "another", "domain": "localhost", "values": {"password": "p"}});
        let another = world.program.call(&another).unwrap()["id"].as_str().unwrap().to_owned();
        for (credential, refused) in [(&another, true), (&world.id, false)] {
            let more = ["--allow-form-origin".into(), format!("{credential}=https://{authority}")];
            let client = world.client("fill", &[&world.options()[..], &more].concat()).await;
            let page = world.chromium.open(&url);
            let (answer, is_error) = log_in(&client, json!({"credential": "login", "page": page})).await;
            assert_eq!(is_error, refused, "{answer}");
            assert_eq!(visits.swap(0, Ordering::SeqCst) > 0, !refused);
            client.cancel().await.unwrap();
        }
    });
}

/// Files below a directory that hold a value.
fn files_with_a_value(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| match path.is_dir() {
        true => files_with_a_value(&path),
        false => {
            let content = fs::read(&path).unwrap_or_default();
            let holds = [USERNAME, PASSWORD]
                .iter()
                .any(|value| content.windows(value.len()).any(|part| part == value.as_bytes()));
            if holds { vec![path] } else { Vec::new() }
        }
    });
    found.collect()
}

/// While values are in a page and after it, no process of ours shows them and no file holds them.
#[test]
#[cfg(target_os = "linux")]
fn no_value_in_arguments_environment_or_files() {
    let Some(world) = World::start("where values must not be") else { return };
    let temporary = TempDir::new();
    let (server, mut inside) = world.program.serve_seen(&world.options().each_ref().map(String::as_str));
    let token = fs::read_to_string(world.token("filler", "fill")).unwrap();
    let page = world.chromium.open(&world.site.url());
    let kept =
        server.client_with(token.trim()).post("/credentials/login/fill", &json!({"page": page, "submit": false}));
    assert_eq!(kept.json()["status"], "filled");
    let seen = inside.arguments_and_environment();
    assert!(seen.contains("serve") && seen.contains("RUST_BACKTRACE") && !seen.contains("canary"));
    world.chromium.close(&page);

    let page = world.chromium.open(&world.site.url());
    let port = world.site.port.to_string();
    let url = world.chromium.url();
    let (mut child, mut inside) = spawn_seen(|| {
        let arguments = ["fill", &world.id, "--browser", &url, "--page", &page, "--allow-port", &port];
        let mut command = world.program.command(&arguments);
        command.env("TMPDIR", temporary.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    });
    let mut looks = 0;
    while child.try_wait().unwrap().is_none() {
        let seen = inside.arguments_and_environment();
        assert!(!seen.contains("canary"));
        // At its very beginning and end there is nothing to see.
        looks += usize::from(seen.contains("RUST_BACKTRACE"));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success() && looks > 1, "{looks}");
    world.assert_logged_in(&page);
    let (_, output) = server.stop();
    assert!(!output.stdout.contains("canary") && !output.stderr.contains("canary"));
    assert!(world.program.state().join("store.id").exists());
    assert_eq!(files_with_a_value(world.directory.path()), Vec::<PathBuf>::new());
    assert_eq!(files_with_a_value(temporary.path()), Vec::<PathBuf>::new());
    // It would find one.
    let probe = temporary.path().join("probe");
    fs::write(&probe, format!("x{PASSWORD}y")).unwrap();
    assert_eq!(files_with_a_value(temporary.path()), [probe]);
}
