//! What each token can hold at once of something that all need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// So many permits for each token.
pub struct PerToken {
    permits: usize,
    tokens: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl PerToken {
    pub fn new(permits: usize) -> Self {
        Self { permits, tokens: Mutex::default() }
    }

    /// The permits of one token.
    pub fn of(&self, token: &str) -> Arc<Semaphore> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = tokens.get(token) {
            return own.clone();
        }
        // Those that nobody uses are forgotten, or names that come and go would stay. A permit that is held, or waited for,
        // holds its semaphore.
        tokens.retain(|_, own| Arc::strong_count(own) > 1);
        let own = Arc::new(Semaphore::new(self.permits));
        tokens.insert(token.to_owned(), own.clone());
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_that_come_and_go_do_not_stay() {
        let all = PerToken::new(2);
        let held = all.of("held").acquire_owned().await.unwrap();
        for n in 0..1000 {
            assert_eq!(all.of(&n.to_string()).available_permits(), 2);
        }
        let names: Vec<_> = all.tokens.lock().unwrap().keys().cloned().collect();
        assert!(names.len() <= 2 && names.contains(&"held".to_owned()), "{names:?}");
        assert_eq!(all.of("held").available_permits(), 1);
        drop(held);
    }
}
