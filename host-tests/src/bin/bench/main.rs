//! What calls cost in time, bytes and operations. The tables of ARCHITECTURE.md are made by it.
//!
//! Absolute times are those of one machine. What carries over are the ratios, so each time stands beside its floor,
//! measured in the same run: for reads the same call in a vault of one credential, which is one read of a small root;
//! for writes durable transactions of SQLite itself.

mod caller;
mod calls;
mod counted;
mod counting;
mod engines;
mod growth;
mod http_sizes;
mod measure;
mod memory;
mod million;
mod nodes;
mod requests;
mod serve;
mod sizes;
mod start;
mod variants;
mod vaults;
mod wasm;
mod writes;

use std::process::ExitCode;
use strongroom_host_tests::World;
use strongroom_host_tests::measuring::machine;

const HELP: &str = "\
bench                     `nodes`, `million` and `growth` (some minutes)
bench growth              time of a create at 10^2 and at 10^5 credentials; fails where the large vault takes 3 times as long
bench nodes               node sizes
bench million             operations, bytes and times at 10^6 credentials (3 GB of memory)
bench sizes [MOST]        calls at 10^2 to 10^6 credentials, relative to 10^2 (3 GB of memory at 10^6)
bench http-sizes [MOST]   the same of requests, with `wrk` at 16 connections, at 10^2, 10^5 and 10^6 (needs `wrk`)
bench writes              durable creates beside SQLite's own transactions; by 16 writers at once, and their rebases
bench start               instances, compilation, the first answer of `strongroom serve`, sizes
bench memory              memory of an instance, and of a server (needs `wrk`)
bench requests [ONE]      requests answered at once, without a network, beside floors; ONE: some seconds of that one only
bench wasm                what computes in a request, beside native code
bench engines             throughput on SQLite, PostgreSQL and etcd, beside that of the engines themselves
bench variants FILE...    several builds of the component against each other
bench serve FILE DIRECTORY
                          serves any component with the exports that the server looks for, on a vault that was begun; logs nothing
bench http [ROW...]       `cargo xtask` only: requests per second beside floors and peers";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (section, rest) = arguments.split_first().map_or(("all", &[][..]), |(first, rest)| (first.as_str(), rest));
    let edge = || World::Edge.component();
    let most = || rest.first().map_or(1_000_000, |most| most.parse().expect("a number of credentials"));
    if section != "serve" {
        println!("{}", machine());
    }
    match section {
        "growth" => return growth::run(&edge()),
        "nodes" => nodes::run(&edge()),
        "million" => million::run(&edge()),
        "sizes" => sizes::run(&edge(), most()),
        "http-sizes" => return http_sizes::run(&edge(), most()),
        "writes" => writes::run(&edge()),
        "start" => start::run(),
        "memory" => return memory::run(),
        "wasm" => wasm::run(),
        "requests" => requests::run(&edge(), rest.first().map(String::as_str)),
        "engines" => engines::run(),
        "variants" => variants::run(rest),
        "serve" if rest.len() == 2 => serve::run(&rest[0], &rest[1]),
        "all" => {
            nodes::run(&edge());
            million::run(&edge());
            return growth::run(&edge());
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
