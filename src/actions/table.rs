//! The one table of actions. Routes, the tool, scopes and the host's log follow from it.

use crate::access::{Principal, Scope};
use crate::error::Result;

/// What the table says about an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// As requests and logs name it.
    pub name: &'static str,
    /// What a principal must be allowed for it; `None`: nothing, not even being known.
    pub scope: Option<Scope>,
    /// Whether it can change what is stored. A code that is claimed is used up, but nothing that is stored changes.
    pub changes: bool,
    /// Whether it is one of the actions of agents' tool.
    pub in_tool: bool,
}

/// One line for each action: its name, its scope (`-`: none), whether it `reads` or `changes` and, if agents' tool has
/// it, `tool`.
macro_rules! actions {
    (@scope -) => { None };
    (@scope $scope:ident) => { Some(Scope::$scope) };
    (@reads) => { false };
    (@changes) => { true };
    (@tool) => { false };
    (@tool tool) => { true };
    ($($action:ident $name:literal $scope:tt $effect:ident $($tool:ident)?,)*) => {
        /// What can be done with a vault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action {
            $($action,)*
        }

        impl Action {
            pub const ALL: [Action; [$($name),*].len()] = [$(Action::$action),*];

            pub const fn row(self) -> Row {
                match self {
                    $(Action::$action => Row {
                        name: $name,
                        scope: actions!(@scope $scope),
                        changes: actions!(@$effect),
                        in_tool: actions!(@tool $($tool)?),
                    },)*
                }
            }
        }
    };
}

actions! {
    List "list" Read reads tool,
    Get "get" Read reads tool,
    TotpCode "totp_code" Totp reads tool,
    Create "create" Write changes tool,
    Update "update" Write changes tool,
    Delete "delete" Write changes tool,
    Put "put" Write changes,
    Versions "versions" Read reads,
    Restore "restore" Write changes,
    Purge "purge" Admin changes,
    ResetExclusive "reset_exclusive" Admin changes,
    Supply "supply" Supply reads,
    Fill "fill" Fill reads,
    Audit "audit" Admin reads,
    Init "init" Admin changes,
    Verify "verify" Admin reads,
    Sweep "sweep" Admin changes,
    Rewrap "rewrap" Admin changes,
    Backup "backup" Admin changes,
    RestoreBackup "restore_backup" Admin changes,
    Health "health" - reads,
}

impl Action {
    /// The actions of agents' tool.
    pub fn of_tool() -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(|action| action.row().in_tool)
    }

    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// **Every face asks this before it calls an action**, and before it looks at what the request says. Errors:
    /// [`Code::Forbidden`](crate::error::Code::Forbidden).
    pub fn check(self, principal: &Principal) -> Result<()> {
        self.row().scope.map_or(Ok(()), |scope| principal.check(scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Restriction, Scopes};
    use alloc::vec::Vec;

    #[test]
    fn names_are_unique_and_stable() {
        let names: Vec<_> = Action::ALL.into_iter().map(Action::name).collect();
        assert!(names.iter().enumerate().all(|(index, name)| !names[..index].contains(name)));
        let tool: Vec<_> = Action::of_tool().map(Action::name).collect();
        assert_eq!(tool, ["list", "get", "totp_code", "create", "update", "delete"]);
    }

    #[test]
    fn every_scope_allows_its_actions_and_no_other() {
        for scope in Scope::ALL {
            let scopes = Scopes::NONE.with(scope);
            let principal = Principal { scopes, restriction: Restriction::NONE, ..Principal::host() };
            for action in Action::ALL {
                let expected = action.row().scope.is_none_or(|needed| needed == scope);
                assert_eq!(action.check(&principal).is_ok(), expected, "{action:?} by {scope:?}");
            }
        }
        assert!(Action::ALL.into_iter().all(|action| action.check(&Principal::host()).is_ok()));
    }

    #[test]
    fn agents_tool_releases_nothing_and_manages_nothing() {
        assert!(
            Action::of_tool().all(|action| !matches!(action.row().scope, None | Some(Scope::Supply | Scope::Admin)))
        );
    }
}
