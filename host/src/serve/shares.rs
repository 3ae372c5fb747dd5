//! Shares of the instances: what one token, or one kind of call, can hold of what everybody needs.
//!
//! Each kind has instances of its own, so readers never wait for writers, or for those who have no token at all. Of each
//! kind one token gets at most half.

use super::per_token::PerToken;
use crate::engine::MAX_INSTANCES;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a request does, as far as its shape tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Reads a few records.
    Read,
    /// Reads as much of the vault as it takes to fill a page.
    Search,
    /// Changes something, or waits for its turn on a record.
    Write,
    /// Anything, through a tool.
    Tool,
    /// Whatever comes without a known token: health, the description, refusals.
    Anonymous,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Read, Kind::Search, Kind::Write, Kind::Tool, Kind::Anonymous];

    /// Instances of this kind. All together are [`MAX_INSTANCES`].
    const fn places(self) -> usize {
        match self {
            Kind::Read => 28,
            // They are at work all the time, where others wait for the device.
            Kind::Search => 4,
            Kind::Write => 16,
            Kind::Tool => 8,
            Kind::Anonymous => 8,
        }
    }
}

const _: () = {
    let mut sum = 0;
    let mut at = 0;
    while at < Kind::ALL.len() {
        sum += Kind::ALL[at].places();
        at += 1;
    }
    assert!(sum == MAX_INSTANCES as usize);
};

/// The places of each kind, and those of each token.
pub struct Shares {
    kinds: [Arc<Semaphore>; Kind::ALL.len()],
    tokens: [PerToken; Kind::ALL.len()],
}

/// The right to run an instance, until it is dropped.
pub struct Place(#[expect(dead_code, reason = "held, never looked at")] [Option<OwnedSemaphorePermit>; 2]);

impl Shares {
    pub fn new() -> Self {
        Self {
            kinds: Kind::ALL.map(|kind| Arc::new(Semaphore::new(kind.places()))),
            tokens: Kind::ALL.map(|kind| PerToken::new((kind.places() / 2).max(1))),
        }
    }

    /// Waits for a place. The queue is fair among those of one kind.
    pub async fn admit(&self, token: Option<&str>, kind: Kind) -> Option<Place> {
        let own = match token {
            // First the token's own share, so that nobody holds what others could use while he waits for it.
            Some(token) => Some(self.tokens[kind as usize].of(token).acquire_owned().await.ok()?),
            None => None,
        };
        let shared = self.kinds[kind as usize].clone().acquire_owned().await.ok()?;
        Some(Place([Some(shared), own]))
    }

    /// Ready when no instance runs any more.
    pub async fn all_free(&self) {
        for kind in Kind::ALL {
            let _ = self.kinds[kind as usize].acquire_many(kind.places() as u32).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn is_let_in(shares: &Shares, token: Option<&str>, kind: Kind) -> Option<Place> {
        tokio::time::timeout(Duration::from_millis(20), shares.admit(token, kind)).await.ok().flatten()
    }

    #[tokio::test]
    async fn one_token_leaves_half_to_others_and_one_kind_all_to_others() {
        let shares = Shares::new();
        for kind in Kind::ALL {
            let mut places = Vec::new();
            while let Some(place) = is_let_in(&shares, Some("a"), kind).await {
                places.push(place);
            }
            assert_eq!(places.len(), (kind.places() / 2).max(1), "{kind:?}");
            while let Some(place) = is_let_in(&shares, Some("b"), kind).await {
                places.push(place);
            }
            assert_eq!(places.len(), kind.places(), "{kind:?}");
            assert!(is_let_in(&shares, Some("c"), kind).await.is_none());
            for other in Kind::ALL.into_iter().filter(|other| *other != kind) {
                assert!(is_let_in(&shares, Some("a"), other).await.is_some(), "{kind:?} {other:?}");
            }
            drop(places);
            assert!(is_let_in(&shares, Some("c"), kind).await.is_some());
        }
        tokio::time::timeout(Duration::from_millis(20), shares.all_free()).await.unwrap();
    }
}
