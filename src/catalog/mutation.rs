//! Faults put into the protocol on purpose, so that a test can show that the simulator catches each of them. Without the
//! feature `mutations` none of them is compiled in.

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
}

impl Mutation {
    #[cfg(feature = "mutations")]
    pub const ALL: [Mutation; 16] = [
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
