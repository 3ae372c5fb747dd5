//! A deterministic simulator: several vault processes at once over one key-value store that misbehaves.
//!
//! ```text
//! cargo xtask simulate --seeds 100000            all host kinds, round about
//! cargo xtask simulate --seed 42 --seeds 1 --host late
//! ```
//!
//! The real actions run natively, each process as a coroutine. Every request to the store hands the control to
//! the scheduler, which goes on with any of them; a process can die in the middle of any request. What happens is drawn
//! from a seed and from nothing else, so a failing seed fails again, with its whole history this time.
//!
//! The checker sees each change of the root, which is a commit, and knows whose it was. So it need not
//! search for an order of the operations: it compares each commit with what a small model makes of the snapshot before
//! it, and each answer with the snapshots that existed between the call and the answer.
//!
//! # What is promised
//!
//! On every host, unless the second table says otherwise:
//!
//! | of | promise |
//! |---|---|
//! | a change that succeeded | took effect exactly once, between its call and its answer, and the answer shows the result |
//! | a change whose outcome is unknown, or whose process died | takes effect wholly once, perhaps later, or never |
//! | a change that failed otherwise | has no effect, ever; the reason held in a snapshot between call and answer |
//! | a repeated create with the same idempotency key | makes one credential, whatever became of the first try |
//! | history and trash | a change keeps what it replaced, a deletion what it removed, until it is over or too much, and a sweep after that leaves nothing; what is restored has the values and sites of that version together, and nothing is restored twice |
//! | a purge | leaves no record of what it purged, at once where deletes work, after a sweep everywhere |
//! | the audit | tells of every commit that changed something, and of nothing else |
//! | a value | goes, by the hand of who may not have it released, only where it could go before |
//! | every snapshot | no name and no id twice, ids in order of creation and above all ids there ever were, versions by one |
//! | a read | shows one snapshot that existed between its call and its answer; a page is the whole slice asked for |
//! | an exclusive one-time code | is given to at most one caller per credential and time step, whatever the clocks, as long as the credential has a secret |
//! | errors | only those that have a reason: no `contended` without 64 overtaking commits (a read: 3), no `outcome_unknown` or `storage_unavailable` without a fault (or 256 commits, or four sweeps, that came in between), no `storage_corrupt` unless a key was lost |
//! | the end | on a healthy host `verify` is clean, lists and values are those of the last commit, `sweep` leaves no orphans, a create succeeds, keys of others are untouched |
//!
//! What a host makes impossible, and what is asserted instead:
//!
//! | host | weaker promise |
//! |---|---|
//! | `stale-get`, `hostile` | a read shows some committed snapshot, not newer than the present; changes are as strict as ever, as they build on fresh reads. A vault may show as uninitialised for a while after it was initialised |
//! | `no-atomics` | each commit is what its action makes of some snapshot since its call: what others committed in between is lost, acknowledged or not, and may come back with a writer that had read it. A writer that overlaps with another may be told `outcome_unknown`, or an error though it took effect. Writers that do not overlap lose nothing. Nothing is ever corrupt. `sweep`, exclusive codes and conditions answer `not_supported` |
//! | `failover` | a read may show a commit that is taken back afterwards; nothing that was acknowledged is |
//! | `losing` | what needs the lost key answers `storage_corrupt`, a lost root `storage_uninitialised`; what succeeds is right nevertheless. Once: the root is lost only while nobody is creating it, as that can't be told from a lost swap |
//!
//! Not played, because nothing protects against it: a swap from absent that overwrites and lands late; the loss of the
//! root together with its seed; a store that goes back to an older state as a whole.

pub mod campaign;
mod checker;
mod dice;
mod driver;
mod ending;
mod history;
pub mod hosts;
mod model;
mod plan;
mod platform;
mod run;
mod script;
mod shrink;
mod stage;
mod start;
pub mod stats;
mod trace;
mod world;
