//! Faults put into the protocol on purpose, so that a test can show that the simulator catches each of them. Without the
//! feature `mutations` none of them is compiled in, and each of the functions here says what the protocol does.

use crate::store::{CompareAndSwap, Store, StoreError, Swap};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Whether the answer of a swap decides that it happened. It never does.
pub(super) fn believes(answer: &Result<Swap, StoreError>) -> bool {
    Mutation::SkipReadBack.is_on() && matches!(answer, Ok(Swap::Stored))
}

/// Whether a swap counts as lost before somebody else's is seen in its place. It never does.
pub(super) fn gives_up(answer: &Result<Swap, StoreError>, is_unchanged: bool) -> bool {
    Mutation::TrustConflict.is_on() && matches!(answer, Ok(Swap::Conflict))
        || Mutation::NewCommitIdOnRetry.is_on() && is_unchanged
}

/// Whether a swap counts as lost when its number is no longer remembered. It never does.
pub(super) fn forgets() -> bool {
    Mutation::RebaseWhenForgotten.is_on()
}

/// What to swap through: the handle; `None`: not at all.
pub(super) fn handle_to_use(handle: Option<Box<dyn CompareAndSwap + '_>>) -> Option<Box<dyn CompareAndSwap + '_>> {
    handle.filter(|_| !Mutation::SetInsteadOfSwap.is_on())
}

/// What to swap through the next time: the handle of the read-back.
pub(super) fn next_handle<'a>(
    store: &'a dyn Store,
    key: &str,
    read_back: Option<Box<dyn CompareAndSwap + 'a>>,
) -> Option<Box<dyn CompareAndSwap + 'a>> {
    if Mutation::SwapWithoutCurrent.is_on() { store.compare_and_swap(key).ok() } else { read_back }
}

/// What to read back by: `None`: by the handle.
pub(super) fn bytes_by_get(store: &dyn Store, key: &str) -> Option<Vec<u8>> {
    if Mutation::ReadBackByGet.is_on() { store.get(key).ok()? } else { None }
}

/// A rule of the protocol that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A swap that answers "stored" counts as done.
    SkipReadBack,
    /// A swap that answers "conflict" counts as lost.
    TrustConflict,
    /// The outcome is looked up by `get`, which may be stale.
    ReadBackByGet,
    /// A swap that seems not to have happened is repeated as a new commit, built anew.
    NewCommitIdOnRetry,
    /// A swap is repeated by a handle that `current` was not called on: unconditional on the hosts.
    SwapWithoutCurrent,
    /// The root is set, not swapped.
    SetInsteadOfSwap,
    /// After an unknown outcome the change is built anew on a newer root.
    RebaseAfterUnknown,
    /// A swap that too many others followed counts as lost.
    RebaseWhenForgotten,
    /// After an unknown outcome what was written for it is deleted.
    CleanUpAfterUnknown,
    /// Who finds a seed without a root creates the root.
    TakeOverInit,
    /// The first root needs no election, only the swap from absent.
    NoElection,
    /// The first root is set by whoever was elected.
    SetFirstRoot,
    /// What a sweep finds unreachable is deleted without a commit before.
    SweepWithoutCommit,
    /// What a commit supersedes is deleted before the commit.
    DeleteBeforeCommit,
    /// A reader that misses a record does not look for a newer root.
    ReadOnce,
    /// After an unclear claim of a time step its code is given.
    CodeOnUnclearClaim,
    /// What a pinned snapshot still refers to is deleted with other garbage.
    IgnorePins,
    /// A change is committed without its audit entry.
    SkipAudit,
    /// What a change replaced is kept without the record that holds its values.
    HistoryWithoutBody,
    /// What is purged leaves its records behind.
    PurgeForgetsBody,
    /// A deleted credential that is restored stays in the trash.
    RestoreTwice,
    /// When values are sealed anew, the versions that share them are not led to the new record.
    RewrapForgetsVersions,
    /// Claim records are not sealed anew.
    RewrapForgetsClaims,
    /// Nodes are left as they are where nothing in them has to change.
    RewrapForgetsNodes,
    /// What a walk that seals anew has superseded stays garbage.
    RewrapForgetsGarbage,
}

impl Mutation {
    #[cfg(feature = "mutations")]
    pub const ALL: [Mutation; 25] = [
        Mutation::SkipReadBack,
        Mutation::TrustConflict,
        Mutation::ReadBackByGet,
        Mutation::NewCommitIdOnRetry,
        Mutation::SwapWithoutCurrent,
        Mutation::SetInsteadOfSwap,
        Mutation::RebaseAfterUnknown,
        Mutation::RebaseWhenForgotten,
        Mutation::CleanUpAfterUnknown,
        Mutation::TakeOverInit,
        Mutation::NoElection,
        Mutation::SetFirstRoot,
        Mutation::SweepWithoutCommit,
        Mutation::DeleteBeforeCommit,
        Mutation::ReadOnce,
        Mutation::CodeOnUnclearClaim,
        Mutation::IgnorePins,
        Mutation::SkipAudit,
        Mutation::HistoryWithoutBody,
        Mutation::PurgeForgetsBody,
        Mutation::RestoreTwice,
        Mutation::RewrapForgetsVersions,
        Mutation::RewrapForgetsClaims,
        Mutation::RewrapForgetsNodes,
        Mutation::RewrapForgetsGarbage,
    ];

    /// Whether this thread runs with the mutation.
    #[cfg(feature = "mutations")]
    pub fn is_on(self) -> bool {
        CHOSEN.get() == Some(self)
    }

    #[cfg(not(feature = "mutations"))]
    pub const fn is_on(self) -> bool {
        false
    }

    /// Lets this thread run with one mutation, or with none.
    #[cfg(feature = "mutations")]
    pub fn choose(mutation: Option<Mutation>) {
        CHOSEN.set(mutation);
    }
}

#[cfg(feature = "mutations")]
std::thread_local! {
    static CHOSEN: core::cell::Cell<Option<Mutation>> = const { core::cell::Cell::new(None) };
}
