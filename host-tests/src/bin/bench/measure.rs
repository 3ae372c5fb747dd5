//! Medians, and how they are printed.

use std::time::Duration;

/// Runs each of several calls in turn, so that what disturbs the machine disturbs them alike; the median of each.
pub fn medians<const N: usize>(rounds: u64, mut call: impl FnMut(usize, u64) -> Duration) -> [Duration; N] {
    let mut times = [(); N].map(|()| Vec::new());
    for round in 0..rounds {
        for (at, times) in times.iter_mut().enumerate() {
            times.push(call(at, round));
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    })
}

pub fn micros(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 100.0 { format!("{micros:.1} µs") } else { format!("{micros:.0} µs") }
}

pub fn ratio(time: Duration, floor: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() / floor.as_secs_f64())
}

/// A number that looks random, below the bound.
pub fn scattered(n: u64, bound: u64) -> u64 {
    (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % bound
}
