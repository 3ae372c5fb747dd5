//! Request bodies: read whole before an instance is needed, within a limit each and a budget for all of them.

use super::refusal::Refusal;
use super::{BODY_TIMEOUT, MAX_BODY_BYTES};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all request bodies together may take, in bytes. Who does not fit in waits.
const BUDGET_BYTES: usize = 32 << 20;

/// What is reserved at once, in bytes.
const STEP_BYTES: usize = 64 << 10;

/// The memory for request bodies.
pub struct Budget(Arc<Semaphore>);

/// What a body has reserved, until it is dropped.
#[derive(Default)]
pub struct Reserved(Option<OwnedSemaphorePermit>);

impl Budget {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET_BYTES / STEP_BYTES)))
    }

    /// Reads a whole body, so that a slow client never holds an instance.
    pub async fn collect(&self, body: Incoming) -> Result<(Bytes, Reserved), Refusal> {
        if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Err(Refusal::TOO_LARGE);
        }
        match tokio::time::timeout(BODY_TIMEOUT, self.collect_untimed(body)).await {
            Ok(result) => result,
            Err(_) => Err(Refusal::TOO_SLOW),
        }
    }

    /// Memory is reserved as it is filled: what is announced and never comes takes none.
    async fn collect_untimed(&self, mut body: Incoming) -> Result<(Bytes, Reserved), Refusal> {
        let (mut bytes, mut reserved, mut steps) = (BytesMut::new(), Reserved::default(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Refusal::BROKEN)?.into_data() else { continue };
            let length = bytes.len() + data.len();
            if length > MAX_BODY_BYTES {
                return Err(Refusal::TOO_LARGE);
            }
            while steps * STEP_BYTES < length {
                let step = self.0.clone().acquire_owned().await.map_err(|_| Refusal::BUSY)?;
                match &mut reserved.0 {
                    Some(all) => all.merge(step),
                    none => *none = Some(step),
                }
                steps += 1;
            }
            bytes.extend_from_slice(&data);
        }
        Ok((bytes.freeze(), reserved))
    }
}
