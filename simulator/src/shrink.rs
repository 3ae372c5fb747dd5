//! Makes a failing run smaller, so that its history can be read.

use crate::plan::Plan;
use crate::run::run;

/// Schedules that are tried for each smaller plan: leaving something out changes the whole course of a run.
const SCHEDULES: u64 = 40;
/// Requests in all; some hundred of them take a millisecond.
const REQUESTS_MAX: u64 = 600_000;

/// The smallest failing plan that was found, starting from one that fails.
pub fn shrink(plan: &Plan) -> Plan {
    let mut smallest = plan.clone();
    let mut requests = 0;
    // Greedy: the first reduction that still fails is taken, then everything is tried again.
    'again: loop {
        for candidate in smallest.reductions() {
            for schedule in 0..SCHEDULES {
                if requests > REQUESTS_MAX {
                    return smallest;
                }
                let mut candidate = candidate.clone();
                if schedule > 0 {
                    candidate.seed = candidate.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(schedule);
                }
                let outcome = run(&candidate, false);
                requests += outcome.stats.requests;
                if outcome.failure.is_some() {
                    smallest = candidate;
                    continue 'again;
                }
            }
        }
        return smallest;
    }
}
