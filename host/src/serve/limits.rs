//! How often a token may call.
//!
//! The generic cell rate algorithm: for each token the time at which its allowance would be used up evenly. A crate for it
//! would bring ten others along.

use super::refusal::Refusal;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Tokens of which the allowance is remembered before those that have it all again are forgotten.
const REMEMBERED: usize = 1024;

/// So many calls in so long, per token; all of them may come at once.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub calls: u32,
    pub period: Duration,
}

/// One limit, for all tokens.
pub struct Limiter {
    limit: Option<Limit>,
    /// When each token's calls would have been made, had they been made evenly.
    even: Mutex<HashMap<String, Instant>>,
}

impl Limiter {
    /// Without a limit everything is allowed.
    pub fn new(limit: Option<Limit>) -> Self {
        Self { limit: limit.filter(|limit| limit.calls > 0), even: Mutex::default() }
    }

    /// Counts one call of a token, unless it is one too many.
    pub fn check(&self, token: &str, now: Instant) -> Result<(), Refusal> {
        let Some(limit) = self.limit else { return Ok(()) };
        let interval = limit.period / limit.calls;
        let mut all = self.even.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > REMEMBERED {
            all.retain(|_, even| *even > now);
        }
        let even = all.get(token).copied().unwrap_or(now).max(now);
        let ahead = even - now + interval;
        if ahead > limit.period {
            let wait = ahead - limit.period;
            return Err(Refusal::too_often(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
        }
        all.insert(token.to_owned(), even + interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_used_up_and_comes_back() {
        let limiter = Limiter::new(Some(Limit { calls: 6, period: Duration::from_secs(60) }));
        let start = Instant::now();
        for _ in 0..6 {
            limiter.check("a", start).unwrap();
        }
        assert!(limiter.check("a", start).is_err());
        limiter.check("b", start).unwrap();
        assert!(limiter.check("a", start + Duration::from_secs(9)).is_err());
        limiter.check("a", start + Duration::from_secs(10)).unwrap();
        assert!(limiter.check("a", start + Duration::from_secs(10)).is_err());
        for _ in 0..6 {
            limiter.check("a", start + Duration::from_secs(100)).unwrap();
        }
        assert!(limiter.check("a", start + Duration::from_secs(100)).is_err());
        let none = Limiter::new(None);
        (0..1000).for_each(|_| none.check("a", start).unwrap());
    }
}
