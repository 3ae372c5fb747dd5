//! The storage keeps its promises on every kind of host: the runs of continuous integration.

use std::io::Write;
use strongroom::error::Code;
use strongroom_simulator::campaign::Campaign;
use strongroom_simulator::hosts;
use strongroom_simulator::stats::{Fault, Stats};

const SEEDS: u64 = 20_000;

#[test]
fn the_promises_hold_on_every_host() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let report = Campaign { seeds: SEEDS, first: 0, host: None, threads }.play(|| ());
    // Past the capture of the test harness: CI shows the rate.
    let _ = writeln!(std::io::stdout(), "{}", report.text());
    assert!(report.failure.is_none());
    assert_eq!(report.seeds(), SEEDS);
    for (host, stats) in hosts::ALL.iter().zip(&report.stats) {
        assert_busy(host.name(), stats);
    }
}

/// The faults of a host occurred, and work was done nevertheless: else the runs would show nothing.
fn assert_busy(host: &str, stats: &Stats) {
    let often = |fault| assert!(stats.faults(fault) > 50, "{host}: {} times {}", stats.faults(fault), fault.name());
    often(Fault::Crash);
    often(Fault::ClockBack);
    match host {
        // Overwriting from absent is what the election prevents: its tests are the mutations of `init`.
        "correct" | "spin-sqlite" | "no-atomics" => (),
        "spin-redis" => often(Fault::SaysConflict),
        "lost-swap" => often(Fault::EffectLost),
        "lost-ack" => often(Fault::AckLost),
        "late" => [Fault::Late, Fault::LateLanded].into_iter().for_each(often),
        "stale-get" => often(Fault::Stale),
        "bad-increment" => often(Fault::WrongTotal),
        "losing" => often(Fault::KeyLost),
        "failover" => [Fault::Unsettled, Fault::TakenBack].into_iter().for_each(often),
        "flaky" => often(Fault::Refused),
        "hostile" => {
            let most = [Fault::Refused, Fault::AckLost, Fault::EffectLost, Fault::LateLanded, Fault::Stale];
            most.into_iter().for_each(often);
        }
        _ => panic!("{host}: which faults does it have?"),
    }
    assert!(stats.succeeded * 3 > stats.operations, "{host}: hardly anything succeeds");
    assert!(stats.overlapped > 200, "{host}: writers hardly meet");
    if host == "no-atomics" {
        assert!(stats.errors(Code::NotSupported) > 100);
        assert_eq!(stats.exclusive_codes, 0);
    } else {
        assert!(stats.exclusive_codes > 200, "{host}: hardly any exclusive code");
        assert!(stats.errors(Code::CodeTaken) > 20, "{host}: hardly anybody wants the same code");
    }
}
