//! Composing, describing and checking components. Apart from xtask, which has to be built in seconds.

pub mod bill;
pub mod compose;
pub mod describe;
