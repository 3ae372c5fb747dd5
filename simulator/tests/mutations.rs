//! Each rule of the storage protocol, broken on purpose, is caught by the simulator.
//!
//! A mutation that no host kind could catch would mean that the checker is blind there, or that the rule is not needed.

use std::io::Write;
use strongroom::catalog::mutation::Mutation;
use strongroom_simulator::campaign::Campaign;
use strongroom_simulator::hosts;

/// Seeds until a mutation must have been caught; most are within a few hundred.
const SEEDS: u64 = 30_000;

/// The host that makes a rule necessary.
fn host_for(mutation: Mutation) -> &'static str {
    match mutation {
        Mutation::SkipReadBack => "lost-swap",
        Mutation::TrustConflict => "spin-redis",
        Mutation::ReadBackByGet => "stale-get",
        Mutation::NewCommitIdOnRetry => "late",
        Mutation::SwapWithoutCurrent => "late",
        Mutation::SetInsteadOfSwap => "correct",
        Mutation::RebaseAfterUnknown => "late",
        Mutation::RebaseWhenForgotten => "correct",
        Mutation::CleanUpAfterUnknown => "late",
        Mutation::TakeOverInit => "spin-sqlite",
        Mutation::NoElection => "spin-sqlite",
        Mutation::SetFirstRoot => "bad-increment",
        Mutation::SweepWithoutCommit => "correct",
        Mutation::DeleteBeforeCommit => "correct",
        Mutation::ReadOnce => "correct",
        Mutation::CodeOnUnclearClaim => "lost-swap",
        Mutation::IgnorePins => "correct",
        Mutation::SkipAudit => "correct",
        Mutation::HistoryWithoutBody => "correct",
        Mutation::PurgeForgetsBody => "correct",
        Mutation::RestoreTwice => "correct",
        Mutation::RewrapForgetsVersions => "correct",
        Mutation::RewrapForgetsClaims => "correct",
        Mutation::RewrapForgetsNodes => "correct",
        Mutation::RewrapForgetsGarbage => "correct",
    }
}

/// Where to begin: a walk that is overtaken by so many commits that garbage goes, and is not excused, is rare.
fn first_seed(mutation: Mutation) -> u64 {
    if mutation == Mutation::IgnorePins { 60_000 } else { 0 }
}

#[test]
fn every_mutation_is_caught() {
    let mut missed = Vec::new();
    for mutation in Mutation::ALL.into_iter().filter(|mutation| !is_unwanted(mutation)) {
        let host = host_for(mutation);
        let first = first_seed(mutation);
        let campaign = Campaign { seeds: SEEDS, first, host: hosts::by_name(host), threads: threads() };
        let report = campaign.play(|| Mutation::choose(Some(mutation)));
        // The failure was explained on this thread.
        Mutation::choose(None);
        if let Some(failure) = &report.failure {
            // It is the mutation that was caught, and nothing else.
            let control = Campaign { seeds: 1, first: failure.seed, ..campaign }.play(|| Mutation::choose(None));
            assert!(control.failure.is_none(), "seed {} fails on {host} without a mutation", failure.seed);
        }
        match &report.failure {
            Some(failure) => drop(writeln!(
                std::io::stdout(),
                "{mutation:?} on {host}: caught at seed {} after {} seeds, history of {} lines: {}",
                failure.seed,
                report.seeds(),
                failure.history.len(),
                failure.why
            )),
            None => missed.push(mutation),
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

/// What HOSTS.md demands of a host with failovers is needed: without it an acknowledged change is lost.
#[test]
fn a_host_that_shows_what_it_can_take_back_is_caught() {
    let campaign = Campaign { seeds: SEEDS, first: 0, host: Some(hosts::UNSAFE), threads: threads() };
    let failure = campaign.play(|| ()).failure.expect("it loses what it acknowledged");
    let _ = writeln!(std::io::stdout(), "{}: caught at seed {}: {}", failure.host, failure.seed, failure.why);
}

/// `STRONGROOM_MUTATIONS=Rewrap` plays those only that have this in their name.
fn is_unwanted(mutation: &Mutation) -> bool {
    std::env::var("STRONGROOM_MUTATIONS").is_ok_and(|wanted| !format!("{mutation:?}").contains(&wanted))
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
