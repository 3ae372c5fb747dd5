//! The whole REST face over a store in memory, at a fixed time. Every answer of every test is held against the promises
//! that all answers keep (`world.rs`) and against `openapi.json` (`schema.rs`).
#![cfg_attr(not(test), allow(dead_code, reason = "the fuzz targets need a part of it"))]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "it is a test")]

#[cfg(test)]
mod access;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod description;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod guessing;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod repetition;
pub mod schema;
#[cfg(test)]
mod undone;
#[cfg(test)]
mod upkeep;
pub mod world;
