//! Requests by size of the vault, of the real server, over HTTP.
//!
//! What is asked for is spread over the whole vault, so that neither the processor's caches nor SQLite's have it all.

use crate::caller::Caller;
use crate::measure::scattered;
use crate::vaults::{begun, with_secret};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use strongroom_host::{Component, SqliteStore};
use strongroom_host_tests::measuring::{Measured, Spread, Wrk};
use strongroom_host_tests::{SAMPLE_DOMAIN, Server, TempDir, sample};

const SIZES: [u64; 3] = [100, 100_000, 1_000_000];
const ROUNDS: usize = 5;
const SECONDS: u32 = 3;
const CONNECTIONS: u32 = 16;
/// Different things that are asked for in a vault.
const SPREAD: u64 = 10_000;

/// The paths of a kind of request, for one of the things that are asked for: its number, the vault's size, an id.
type Path = fn(u64, u64, &str) -> String;

const ROWS: [(&str, u64, Path); 8] = [
    ("code by id", SPREAD, |_, _, id| format!("/credentials/{id}/totp-code")),
    ("code by one id", 1, |_, _, id| format!("/credentials/{id}/totp-code")),
    ("code by name", SPREAD, |n, size, _| format!("/credentials/{}/totp-code", with_secret(n, size))),
    ("get by id", SPREAD, |_, _, id| format!("/credentials/{id}")),
    ("first page of 20", 1, |_, _, _| "/credentials?limit=20".to_owned()),
    ("any page of 20", SPREAD, |n, size, _| format!("/credentials?limit=20&offset={}", scattered(n, size - 20))),
    ("by origin, of one or two", SPREAD, |n, size, _| {
        // Not a multiple of ten: those share a domain.
        format!("/credentials?limit=20&origin=https://{}", sample(scattered(n, size / 10) * 10 + n % 9 + 1).domain)
    }),
    ("by origin, 20 of a tenth of all", 1, |_, _, _| format!("/credentials?limit=20&origin=https://{SAMPLE_DOMAIN}")),
];

/// A vault that is served.
struct Vault {
    size: u64,
    ids: Vec<String>,
    server: Server,
    headers: Vec<String>,
    directory: TempDir,
}

pub fn run(component: &Component, most: u64) -> ExitCode {
    if let Err(advice) = Wrk::check() {
        eprintln!("{advice}");
        return ExitCode::FAILURE;
    }
    let vaults: Vec<Vault> =
        SIZES.into_iter().filter(|size| *size <= most).map(|size| Vault::new(component, size)).collect();
    println!("\n## Requests by size of the vault\n");
    println!(
        "SQLite, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s in turns; each row asks for up to {SPREAD} different \
         things, but for those of one.\n"
    );
    println!(
        "| request | credentials | requests/s | throughput relative to {} (lowest-highest) | p99 | server's processor time a \
         request | wrk's share of a processor |\n|---|---|---|---|---|---|---|",
        SIZES[0]
    );
    for row in ROWS {
        let scripts: Vec<_> = vaults.iter().map(|vault| vault.script(&row)).collect();
        let mut rounds = vec![Vec::new(); vaults.len()];
        for _ in 0..ROUNDS {
            for ((rounds, vault), script) in rounds.iter_mut().zip(&vaults).zip(&scripts) {
                rounds.push(vault.load(script, row.0));
            }
        }
        let rates: Vec<Vec<f64>> =
            rounds.iter().map(|rounds| rounds.iter().map(|round| round.rate).collect()).collect();
        for ((rounds, rates_of), vault) in rounds.iter().zip(&rates).zip(&vaults) {
            let of = |what: fn(&Measured) -> f64| Spread::of(rounds.iter().map(what));
            println!(
                "| {} | {} | {:.0} | {} | {:.1} ms | {:.0} us | {:.2} |",
                row.0,
                vault.size,
                of(|round| round.rate).middle,
                Spread::of_ratios(rates_of, &rates[0]),
                of(|round| round.p99_ms).middle,
                of(|round| round.cost_us).middle,
                of(|round| round.share_of_wrk).high
            );
        }
    }
    ExitCode::SUCCESS
}

impl Vault {
    fn new(component: &Component, size: u64) -> Self {
        let directory = TempDir::new();
        let program = begun(&directory, size);
        let store = SqliteStore::open(program.state()).unwrap();
        let caller = Caller::new(component, Arc::new(store));
        let ids = (0..SPREAD.min(size)).map(|n| caller.id(&with_secret(n, size))).collect();
        drop(caller);
        let server = program.serve_with(&["--quiet"]);
        let headers = vec![format!("authorization: Bearer {}", server.admin_token())];
        Self { size, ids, server, headers, directory }
    }

    /// Asks for each of a row's paths at random.
    fn script(&self, (what, spread, path): &(&str, u64, Path)) -> PathBuf {
        let named = |extension| self.directory.path().join(what.replace([' ', ','], "-")).with_extension(extension);
        let (list, script) = (named("txt"), named("lua"));
        let number = (*spread).min(self.ids.len() as u64);
        let paths = (0..number).zip(&self.ids).map(|(n, id)| path(n, self.size, id) + "\n");
        std::fs::write(&list, paths.collect::<String>()).unwrap();
        let program = format!(
            "local requests = {{}}\nlocal next = math.random\ninit = function()\n  math.randomseed(os.time())\n  for path in \
             io.lines('{}') do requests[#requests + 1] = wrk.format(nil, path) end\nend\nrequest = function() return \
             requests[next(#requests)] end\n",
            list.display()
        );
        std::fs::write(&script, program).unwrap();
        script
    }

    fn load(&self, script: &std::path::Path, what: &str) -> Measured {
        let measured = Wrk {
            address: self.server.address(),
            server: self.server.id(),
            headers: &self.headers,
            path: "/",
            script: Some(script),
            connections: CONNECTIONS,
            seconds: SECONDS,
        };
        let measured = measured.run();
        assert!(!measured.has_refused, "{what} at {} is refused", self.size);
        measured
    }
}
