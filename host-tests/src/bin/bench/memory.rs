//! What instances and servers take of the memory.

use crate::caller::Caller;
use crate::calls::Connection;
use crate::vaults::{begun, with_secret};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use strongroom_host::{Component, Engine, SqliteStore};
use strongroom_host_tests::measuring::{Memory, Wrk};
use strongroom_host_tests::{Server, TempDir, World};

const SIZE: u64 = 1000;
const CONNECTIONS: u32 = 64;
const SECONDS: u32 = 5;

pub fn run() -> ExitCode {
    if let Err(advice) = Wrk::check() {
        eprintln!("{advice}");
        return ExitCode::FAILURE;
    }
    of_instances();
    of_a_server();
    ExitCode::SUCCESS
}

/// Instances that live at the same time, each of which has answered with a code.
fn of_instances() {
    println!("\n## Memory of instances\n");
    println!(
        "Each has answered with a code by name. An instance takes the difference to the line above, through their number.\n"
    );
    println!("| instances | the process | of it its own | each instance | its linear memory |\n|---|---|---|---|---|");
    let line = |what: &str, memory: Memory, rest: &str| {
        let mib = |kib: u64| kib as f64 / 1024.0;
        println!("| {what} | {:.1} MiB | {:.1} MiB | {rest} |", mib(memory.resident), mib(memory.anonymous));
    };
    let here = || Memory::of(std::process::id());
    line("no engine yet", here(), "- | -");
    let directory = TempDir::new();
    let program = begun(&directory, SIZE);
    // From the cache of the program, as what compiles leaves much in the process.
    drop(program.serve());
    let engine = Engine::new(Some(&program.state().join("cache"))).unwrap();
    let component = Component::load(&engine, &World::Edge.wasm()).unwrap();
    let store = Arc::new(SqliteStore::open(program.state()).unwrap());
    let caller = Caller::new(&component, store);
    // What all instances share is there after a first one, and its place is that of the next.
    caller.code(&with_secret(0, SIZE));
    let mut before = here();
    line("0, after one", before, "- | -");
    let mut living = Vec::new();
    for count in [16, 64] {
        let added = count - living.len();
        let mut bytes = 0;
        for _ in 0..added {
            let name = with_secret(living.len() as u64, SIZE);
            let instance = caller.runtime.block_on(async {
                let mut instance = caller.component.vault(&caller.services).await.unwrap();
                let credentials = instance.exports.strongroom_vault_credentials();
                credentials.call_totp_code(instance.store.call(), &name, None).await.unwrap().unwrap();
                instance
            });
            bytes = instance.store.memory_bytes();
            living.push(instance);
        }
        let now = here();
        let each = now.resident.saturating_sub(before.resident) / added as u64;
        line(&count.to_string(), now, &format!("{each} KiB | {} KiB", bytes >> 10));
        before = now;
    }
    drop(living);
    line("0 again", here(), "- | -");
}

fn of_a_server() {
    println!("\n## Memory of `strongroom serve`\n");
    println!("| when | memory |\n|---|---|");
    let directory = TempDir::new();
    let program = begun(&directory, SIZE);
    // So that the one that is measured has compiled nothing.
    drop(program.serve());
    let server = program.serve_with(&["--quiet"]);
    let line = |when: &str| println!("| {when} | {} |", Memory::of(server.id()));
    let token = server.admin_token();
    line("it listens");
    let code = (format!("/credentials/{}/totp-code", with_secret(0, SIZE)), None);
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(server.address())).collect();
    assert_eq!(connections[0].ask(&token, &code), 200);
    line("it has answered with a code");
    connections.iter_mut().for_each(|connection| assert_eq!(connection.ask(&token, &code), 200));
    line(&format!("{CONNECTIONS} connections have asked, and are kept"));
    drop(connections);
    load(&server, &code.0, &token);
    line(&format!("codes over {CONNECTIONS} connections, {SECONDS} s"));
    load(&server, "/credentials?limit=100", &token);
    line(&format!("pages of 100 over {CONNECTIONS} connections, {SECONDS} s"));
    std::thread::sleep(Duration::from_secs(5));
    line("5 s later");
}

fn load(server: &Server, path: &str, token: &str) {
    let headers = [format!("authorization: Bearer {token}")];
    let (address, id) = (server.address(), server.id());
    let wrk =
        Wrk { address, server: id, headers: &headers, path, script: None, connections: CONNECTIONS, seconds: SECONDS };
    assert!(!wrk.run().has_refused);
}
