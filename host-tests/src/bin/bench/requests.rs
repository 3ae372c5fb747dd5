//! Requests answered at once, without a network: what the component and its instance take of a request, beside floors on the
//! same way.

use crate::caller::Caller;
use crate::measure::{medians, micros};
use crate::vaults::{in_memory, in_sqlite};
use bytes::Bytes;
use std::path::Path;
use std::time::{Duration, Instant};
use strongroom_host::{Component, Engine};
use strongroom_host_tests::{ADMIN_TOKEN, TempDir, sample};

const ROUNDS: u64 = 101;
/// Requests that are measured as one.
const TIMES: u32 = 20;
/// The record of the root of the project `default`.
const ROOT: &str = "sr1.g6uo5qoodfuh2ezp.root";

/// Kinds of requests, and the vault that they are for.
pub struct Requests {
    caller: Caller,
    kinds: [Kind; 6],
    _directory: TempDir,
}

pub struct Kind {
    what: &'static str,
    component: Component,
    path: String,
}

/// Prints the table, or repeats the one kind of request for some seconds, to be profiled.
pub fn run(edge: &Component, only: Option<&str>) {
    let requests = Requests::new(edge);
    if let Some(only) = only {
        let kind = requests.kind(only);
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < Duration::from_secs(8) {
            (0..100).for_each(|_| requests.ask(kind));
            count += 100;
        }
        println!("{}", micros(start.elapsed() / count));
        return;
    }
    let times = medians::<6>(ROUNDS, |at, _| {
        let start = Instant::now();
        (0..TIMES).for_each(|_| requests.ask(&requests.kinds[at]));
        start.elapsed() / TIMES
    });
    println!("| request | time | of one read |\n|---|---|---|");
    for (kind, time) in requests.kinds.iter().zip(times) {
        println!("| {} | {} | {:.2} |", kind.what, micros(time), time.as_secs_f64() / times[1].as_secs_f64());
    }
}

impl Requests {
    pub fn new(edge: &Component) -> Self {
        let directory = TempDir::new();
        let (_, caller) = in_sqlite(edge, &in_memory(edge, 1000, None).0, &directory);
        let id = caller.id(&sample(0).name);
        let engine = Engine::new(None).unwrap();
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/wasm32-wasip2/component");
        let floor = |file: &str| Component::load(&engine, &std::fs::read(built.join(file)).unwrap()).unwrap();
        let kind =
            |what, component: &Component, path: &str| Kind { what, component: component.clone(), path: path.into() };
        let kinds = [
            kind("floor: a constant", &floor("examples/hello.wasm"), "/"),
            kind("floor: one read", &floor("floor.wasm"), &format!("/get/{ROOT}")),
            kind("unknown route", edge, "/unknown"),
            kind("get by id", edge, &format!("/credentials/{id}")),
            kind("code by id", edge, &format!("/credentials/{id}/totp-code")),
            kind("page of 20", edge, "/credentials?limit=20"),
        ];
        Self { caller, kinds, _directory: directory }
    }

    pub fn kind(&self, what: &str) -> &Kind {
        self.kinds.iter().find(|kind| kind.what == what).expect("one of the kinds")
    }

    pub fn ask(&self, kind: &Kind) {
        let request = http::Request::get(&kind.path)
            .header("host", "127.0.0.1:8080")
            .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
            .body(Bytes::new())
            .unwrap();
        // Again if it took longer than an answer at once may take, which is when something else had the processor.
        let answer = (0..100).find_map(|_| kind.component.answer_at_once(&self.caller.services, &request));
        let answer = answer.expect("an answer");
        assert!(answer.status() == 200 || kind.what == "unknown route", "{}: {:?}", kind.what, answer.body());
    }
}
