//! The whole REST face over a store in memory, at a fixed time. Every answer of every test is held against the promises
//! that all answers keep (`world.rs`) and against `openapi.json` (`schema.rs`).

mod access;
mod conditions;
mod description;
mod faults;
mod guessing;
mod logins;
mod malformed;
mod operations;
mod repetition;
pub mod schema;
mod undone;
mod upkeep;
pub mod world;
