//! `strongroom-standalone.wasm` under the stock `wasmtime`, which has files and no store that lasts: typed calls, HTTP,
//! several processes on one directory, and SIGKILL at any time.

use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use strongroom_portability::{Client, Dice, Serving, Standalone, TempDir};

/// Rounds of [`kills_lose_nothing`]; the whole form is `STRONGROOM_KILL_ROUNDS=1000`.
const ROUNDS: &str = "STRONGROOM_KILL_ROUNDS";
const ROUNDS_BOUNDED: usize = 25;

fn credential(name: &str) -> Value {
    json!({ "name": name, "domain": "example.com", "values": { "password": "canary" },
        "totp_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" })
}

/// The lines of HOSTS.md, in the same order.
#[test]
fn every_action_can_be_called_from_the_shell() {
    let directory = TempDir::new();
    let Some(vault) = Standalone::new("every_action_can_be_called_from_the_shell", directory.path()) else { return };
    let documented = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../HOSTS.md")).unwrap();
    let lines: Vec<&str> = documented
        .split_once("```wave\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .expect("HOSTS.md has the calls")
        .0
        .lines()
        .collect();
    let mut id = String::new();
    for line in &lines {
        let (call, result) = line.split_once("  // ").unwrap_or_else(|| panic!("{line}"));
        let printed = vault.invoke(&call.trim_end().replace("ID", &id)).unwrap();
        assert!(printed.contains(result), "{call} printed {printed}");
        assert!(!printed.contains("hunter2") || call.contains("supply"), "{call} printed {printed}");
        if let Some((_, rest)) = printed.split_once("id: \"")
            && id.is_empty()
        {
            id = rest.split('"').next().unwrap().to_owned();
        }
    }
    for function in [
        "create",
        "get",
        "totp-code",
        "put",
        "update",
        "delete",
        "manage",
        "versions",
        "restore",
        "strongroom:vault/supply.supply@0.1.0",
        "init",
        "verify",
        "sweep",
        "audit",
        "purge",
        "purge-deleted",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(&format!("{function}("))), "{function}");
    }
}

#[test]
fn what_was_stored_over_http_is_there_after_a_restart() {
    let directory = TempDir::new();
    let Some(vault) = Standalone::new("what_was_stored_over_http", directory.path()) else { return };
    let server = vault.serve();
    assert_eq!(server.client.post("/credentials", &credential("one")).status, 201);
    assert_eq!(server.client.get("/health").status, 200);
    drop(server);
    let server = vault.serve();
    let found = server.client.get("/credentials/one").json();
    assert_eq!((&found["name"], &found["version"]), (&json!("one"), &json!(1)));
    assert!(vault.invoke("get(\"one\")").unwrap().contains("name: \"one\""), "and for the other way to call it");
    assert!(vault.verify().contains("credentials: 1"), "{}", vault.verify());
}

#[test]
fn settings_that_cannot_be_read_are_no_defaults() {
    let directory = TempDir::new();
    let Some(vault) = Standalone::new("settings_that_cannot_be_read", directory.path()) else { return };
    let keys = vault.data().join("settings/strongroom_keys");
    let code = || vault.invoke("get(\"one\")").unwrap();
    assert!(code().contains("not-found"), "{}", code());
    fs::rename(&keys, directory.path().join("keys")).unwrap();
    assert!(code().contains("misconfigured") && code().contains("strongroom_keys"), "{}", code());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../../keys", &keys).unwrap();
        assert!(code().contains("storage-unavailable") && code().contains("settings"), "{}", code());
        fs::remove_file(&keys).unwrap();
    }
    fs::write(&keys, b"k1:\xff").unwrap();
    assert!(code().contains("storage-unavailable"), "{}", code());
    fs::write(&keys, "k1:short").unwrap();
    assert!(code().contains("misconfigured") && !code().contains("short\""), "{}", code());
    // Without the directory there is nothing at all.
    fs::rename(vault.data(), directory.path().join("elsewhere")).unwrap();
    fs::create_dir(vault.data()).unwrap();
    assert!(code().contains("misconfigured"), "{}", code());
    assert!(fs::read_dir(vault.data()).unwrap().next().is_none(), "and nothing was begun in it");
}

#[test]
fn two_servers_on_one_directory_lose_nothing() {
    const EACH: usize = 20;
    let directory = TempDir::new();
    let Some(vault) = Standalone::new("two_servers_on_one_directory", directory.path()) else { return };
    let servers = [vault.serve(), vault.serve()];
    std::thread::scope(|scope| {
        for (server, writer) in servers.iter().zip(0..).flat_map(|(server, n)| [(server, 2 * n), (server, 2 * n + 1)]) {
            scope.spawn(move || {
                for n in 0..EACH {
                    until_told(
                        || server.client.post("/credentials", &credential(&format!("{writer}-{n}"))).status,
                        201,
                    );
                }
            });
        }
    });
    for (server, name) in servers.iter().zip(["3-0", "0-19"]) {
        assert_eq!(
            server.client.get(&format!("/credentials/{name}")).status,
            200,
            "each sees what came from the other"
        );
    }
    assert!(vault.verify().contains(&format!("credentials: {}", 4 * EACH)), "{}", vault.verify());
    let swept = vault.invoke("sweep(none)").unwrap();
    assert!(swept.starts_with("ok("), "{swept}");
}

/// Calls again as long as the answer is that others were faster.
fn until_told(call: impl Fn() -> u16, expected: u16) {
    loop {
        match call() {
            503 => {}
            status => return assert_eq!(status, expected),
        }
    }
}

/// In each round two servers on one directory are killed while each has a writer. What was acknowledged must be there in
/// the next round; what was under way may be there.
#[test]
fn kills_lose_nothing() {
    const NAMES: usize = 4;
    let directory = TempDir::new();
    let Some(vault) = Standalone::new("kills_lose_nothing", directory.path()) else { return };
    let rounds = std::env::var(ROUNDS).map_or(ROUNDS_BOUNDED, |rounds| rounds.parse().unwrap());
    let mut dice = Dice(11);
    let server = vault.serve();
    for writer in 0..2 {
        for n in 0..NAMES {
            assert_eq!(server.client.post("/credentials", &credential(&name(writer, n))).status, 201);
        }
    }
    drop(server);
    // By writer and name: the number that was acknowledged last, and the one that was sent last.
    let mut numbers = [[(0, 0); NAMES]; 2];
    let (mut acknowledged, mut in_flight) = (0, 0);
    for _ in 0..rounds {
        let mut servers = [vault.serve(), vault.serve()];
        for writer in 0..2 {
            for (n, (acked, sent)) in numbers[writer].iter_mut().enumerate() {
                // Through the server of the other.
                let found = number(&servers[1 - writer].client, &name(writer, n));
                assert!((*acked..=*sent).contains(&found), "{found} after {acked} was acknowledged and {sent} sent");
                in_flight += u64::from(found > *acked);
                (*acked, *sent) = (found, found);
            }
        }
        let pause = Duration::from_micros(dice.between(0, 300_000));
        std::thread::scope(|scope| {
            for (writer, numbers) in numbers.iter_mut().enumerate() {
                let client = servers[writer].client.clone();
                scope.spawn(move || write(&client, writer, numbers));
            }
            std::thread::sleep(pause);
            servers.iter_mut().for_each(Serving::kill);
        });
        acknowledged += numbers.iter().flatten().filter(|(acked, _)| *acked > 0).count();
    }
    let report = vault.verify();
    assert!(report.contains(&format!("credentials: {}", 2 * NAMES)), "{report}");
    assert!(acknowledged > 0, "nobody wrote anything");
    let total: u64 = numbers.iter().flatten().map(|(acked, _)| acked).sum();
    println!("{rounds} rounds, {total} changes acknowledged, {in_flight} found that were not");
}

fn name(writer: usize, n: usize) -> String {
    format!("writer-{writer}-{n}")
}

/// Which change a credential has got.
fn number(client: &Client, name: &str) -> u64 {
    let found = client.get(&format!("/credentials/{name}"));
    assert_eq!(found.status, 200, "{found:?}");
    found.json()["description"].as_str().map_or(0, |text| text.parse().unwrap())
}

/// Changes its credentials in turn, until the server is gone.
fn write(client: &Client, writer: usize, numbers: &mut [(u64, u64)]) {
    loop {
        for (n, (acked, sent)) in numbers.iter_mut().enumerate() {
            let next = *sent + 1;
            *sent = next;
            let body = json!({ "description": next.to_string() });
            match client.try_request("PATCH", &format!("/credentials/{}", name(writer, n)), &[], Some(&body)) {
                Ok(answer) if answer.status == 200 => *acked = next,
                // Others were faster.
                Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
                Err(_) => return,
            }
        }
    }
}
