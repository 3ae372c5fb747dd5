//! A deterministic simulator of many vault processes over one misbehaving key-value store.
pub mod campaign;
mod checker;
mod dice;
mod driver;
mod history;
pub mod hosts;
mod model;
mod plan;
mod platform;
mod run;
mod shrink;
mod stats;
mod trace;
mod world;
