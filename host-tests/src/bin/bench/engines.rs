//! What `strongroom serve` gets through on each engine, beside what the engine itself gets through: everything on this
//! machine, so that only the ratios say something about others.

use crate::calls::{Call, calls};
use crate::vaults::begun;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strongroom_host::keyvalue::{Expected, Identity, StoreUrl, VaultStore};
use strongroom_host_tests::engines::{Etcd, Postgres};
use strongroom_host_tests::{Program, Server, TempDir, sample};

/// Credentials of the vault; every third has a TOTP secret.
const SIZE: u64 = 999;
/// How long each number is measured.
const TIME: Duration = Duration::from_secs(5);
const CONNECTIONS: [usize; 2] = [1, 16];
/// Projects that are changed side by side, by as many connections as one is.
const PROJECTS: usize = 8;
const BUCKET: &str = "bench";
const ID: &str = "00112233445566778899aabbccddeeff";

pub fn run() {
    println!(
        "\n## Engines: calls a second, and relative to plain gets and durable writes of 1 KiB by as many connections\n"
    );
    println!(
        "| engine | plain get: 1, 16 | plain write: 1, 16 | code: 1, 16 | code / get: 1, 16 | create: 1, 16 | \
         create / write: 1, 16 | create by 16 in {PROJECTS} projects, / write |"
    );
    println!("|---{}", "|---".repeat(7) + "|");
    measure("SQLite", "sqlite:");
    if let Some(server) = Postgres::start("bench") {
        measure("PostgreSQL", &server.url(&[]));
    }
    if let Some(primary) = Postgres::start("bench") {
        let _standby = primary.synchronous_standby();
        measure("PostgreSQL with a synchronous standby", &primary.url(&[]));
    }
    for members in [1, 3] {
        if let Some(cluster) = Etcd::start("bench", members) {
            measure(&format!("etcd, members: {members}"), &cluster.url());
        }
    }
}

fn measure(engine: &str, url: &str) {
    let directory = TempDir::new();
    let mut program = begun(&directory, SIZE);
    if url != "sqlite:" {
        let copied = program.run(&["copy", "--from", "sqlite:", "--to", url]);
        assert_eq!(copied.code, Some(0), "{copied:?}");
        program = program.with_store(url);
    }
    let tokens: Vec<String> = (0..PROJECTS).map(|number| token(&program, &format!("p{number}"))).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = StoreUrl::parse(url).unwrap();
    let store = runtime.block_on(store.open(program.state(), &Identity::Any(ID))).unwrap();
    let [gets, sets] = [false, true].map(|writes| CONNECTIONS.map(|count| plain(&runtime, &store, count, writes)));
    drop(store);

    let server = program.serve_with(&["--quiet"]);
    let admin = server.admin_token();
    let coded = |round: u64| format!("/credentials/{}/totp-code", sample(round * 3 % SIZE).name);
    let codes = CONNECTIONS.map(|count| rate(&server, count, &|_| &admin, &|round| (coded(round), None)));
    let create = |round: u64| {
        let body = json!({ "name": format!("new-{round}"), "domain": "example.com", "values": { "password": "p" } });
        ("/credentials".to_owned(), Some(body.to_string()))
    };
    // Names go on from where the first ones ended.
    let creates = CONNECTIONS.map(|count| {
        let first = count as u64 * 1_000_000;
        rate(&server, count, &|_| &admin, &|round| create(first + round))
    });
    let apart = rate(&server, 16, &|connection| &tokens[connection % PROJECTS], &create);
    let both = |[one, many]: [f64; 2]| format!("{one:.0}, {many:.0}");
    let ratios = |of: [f64; 2], to: [f64; 2]| format!("{:.2}, {:.2}", of[0] / to[0], of[1] / to[1]);
    println!(
        "| {engine} | {} | {} | {} | {} | {} | {} | {apart:.0}, {:.2} |",
        both(gets),
        both(sets),
        both(codes),
        ratios(codes, gets),
        both(creates),
        ratios(creates, sets),
        apart / sets[1]
    );
}

/// Calls a second. Each must succeed.
fn rate<'a>(
    server: &Server,
    count: usize,
    token: &(dyn Fn(usize) -> &'a str + Sync),
    call: &(dyn Fn(u64) -> Call + Sync),
) -> f64 {
    let answered = calls(&[server.address()], count, TIME, token, call);
    assert_eq!(answered.unavailable, 0);
    answered.rate
}

fn token(program: &Program, project: &str) -> String {
    let made = program.run(&["token", "new", "--name", project, "--project", project, "--scopes", "read,totp,write"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    made.stdout.trim().to_owned()
}

/// Operations a second of so many tasks, each on a key of its own.
fn plain(runtime: &tokio::runtime::Runtime, store: &Arc<dyn VaultStore>, count: usize, writes: bool) -> f64 {
    let start = Instant::now();
    let done: u64 = runtime.block_on(async {
        let one = |number| tokio::spawn(operations(store.clone(), format!("k{number}"), writes, start));
        let tasks: Vec<_> = (0..count).map(one).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    done as f64 / start.elapsed().as_secs_f64()
}

async fn operations(store: Arc<dyn VaultStore>, key: String, writes: bool, start: Instant) -> u64 {
    let mut done = 0u64;
    store.set(BUCKET, &key, &[0; 1024]).await.unwrap();
    while start.elapsed() < TIME {
        if writes {
            // Not `set`: SQLite makes only swaps durable.
            store.swap(BUCKET, &key, Expected::Anything, &[done as u8; 1024]).await.unwrap();
        } else {
            assert!(store.get(BUCKET, &key).await.unwrap().is_some());
        }
        done += 1;
    }
    done
}
