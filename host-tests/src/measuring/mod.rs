//! What benchmarks share: the load generator, the machine, and numbers with their spread.

mod machine;
mod spread;
mod wrk;

pub use machine::{Memory, machine, processor_time};
pub use spread::Spread;
pub use wrk::{Measured, Wrk};
