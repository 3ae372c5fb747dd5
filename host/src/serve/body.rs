//! Request bodies: read whole before an instance is needed, within a limit each, a budget for all of them, and a half of it
//! for each token.

use super::per_token::PerToken;
use super::refusal::Refusal;
use super::{BODY_TIMEOUT, MAX_BODY_BYTES};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all request bodies together may take, in bytes. Who does not fit in waits.
const BUDGET_BYTES: usize = 32 << 20;

/// What those of one token may take.
const BUDGET_BYTES_OF_TOKEN: usize = BUDGET_BYTES / 2;

/// What is reserved at once, in bytes.
const STEP_BYTES: usize = 64 << 10;

/// The memory for request bodies.
pub struct Budget {
    all: Arc<Semaphore>,
    tokens: PerToken,
}

/// What a body has reserved, of the budget for all and of its token's, until it is dropped.
#[derive(Default)]
pub struct Reserved([Option<OwnedSemaphorePermit>; 2]);

impl Budget {
    pub fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(BUDGET_BYTES / STEP_BYTES)),
            tokens: PerToken::new(BUDGET_BYTES_OF_TOKEN / STEP_BYTES),
        }
    }

    /// Reads the whole body of a token's request, so that a slow client never holds an instance.
    pub async fn collect(&self, token: &str, body: Incoming) -> Result<(Bytes, Reserved), Refusal> {
        if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Err(Refusal::TOO_LARGE);
        }
        let mut is_waiting = false;
        match tokio::time::timeout(BODY_TIMEOUT, self.collect_untimed(token, body, &mut is_waiting)).await {
            Ok(result) => result,
            Err(_) if is_waiting => Err(Refusal::BUSY),
            Err(_) => Err(Refusal::TOO_SLOW),
        }
    }

    /// Memory is reserved as it is filled: what is announced and never comes takes none. `is_waiting` says whether there is
    /// none at the moment.
    async fn collect_untimed(
        &self,
        token: &str,
        mut body: Incoming,
        is_waiting: &mut bool,
    ) -> Result<(Bytes, Reserved), Refusal> {
        let own = self.tokens.of(token);
        let (mut bytes, mut reserved, mut steps) = (BytesMut::new(), Reserved::default(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Refusal::BROKEN)?.into_data() else { continue };
            let length = bytes.len() + data.len();
            if length > MAX_BODY_BYTES {
                return Err(Refusal::TOO_LARGE);
            }
            *is_waiting = true;
            while steps * STEP_BYTES < length {
                // First of the token's own, so that nobody holds what others could use while he waits for it.
                reserved.add(&own, 0).await?;
                reserved.add(&self.all, 1).await?;
                steps += 1;
            }
            *is_waiting = false;
            bytes.extend_from_slice(&data);
        }
        Ok((bytes.freeze(), reserved))
    }
}

impl Reserved {
    async fn add(&mut self, of: &Arc<Semaphore>, at: usize) -> Result<(), Refusal> {
        let step = of.clone().acquire_owned().await.map_err(|_| Refusal::BUSY)?;
        match &mut self.0[at] {
            Some(all) => all.merge(step),
            none => *none = Some(step),
        }
        Ok(())
    }
}
