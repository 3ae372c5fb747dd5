//! The end of what runs beside a test.

use std::sync::atomic::{AtomicBool, Ordering};

/// Says that it is over when it goes out of scope, also because the test fails.
pub struct Stop<'s>(pub &'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
