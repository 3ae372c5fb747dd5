//! After the actors are gone: what is left must be what was committed, on a host that behaves again.

use crate::dice::Dice;
use crate::driver::{self, Ring};
use crate::history::{Reply, Seen};
use crate::model::{Action, Cred, Effect, Snapshot, Target, Values};
use crate::plan;
use crate::stage::{FOREIGN, LongAgo, Stage};
use strongroom::error::Code;

/// In one run out of so many all values are read again in the end, and the vault takes another credential.
const MORE_IS_CHECKED_ONE_IN: usize = 8;
/// In one run out of so many something that is kept is restored in the end.
const MORE_IS_RESTORED_ONE_IN: usize = 2;
/// Of the writes that are still under way in the end, one in so many never happens.
const NEVER_LANDS_ONE_IN: usize = 4;

impl Stage {
    /// After the actors are gone and everything that was under way has landed or is lost: the operator looks at what
    /// is there, on a host that behaves.
    pub fn finish(&self) {
        if let Err(why) = self.checked_end() {
            self.fail(why);
        }
    }

    fn checked_end(&self) -> Result<(), String> {
        let mut dice = Dice::stream(self.plan.seed, 4);
        while self.world.borrow().pending() > 0 {
            if dice.one_in(NEVER_LANDS_ONE_IN) {
                self.world.borrow_mut().drop_one();
            } else {
                self.world.borrow_mut().land_one(&mut dice);
            }
            self.observe();
        }
        if dice.one_in(NEVER_LANDS_ONE_IN) {
            self.fail_over();
        }
        let is_untouched =
            |(key, value): &(&str, &[u8])| self.world.borrow().entries().get(*key).is_some_and(|v| **v == **value);
        if !FOREIGN.iter().all(is_untouched) {
            return Err("keys of others were touched".into());
        }
        if self.world.borrow().lost_keys().next().is_some() {
            return self.checked_loss();
        }
        if !self.world.borrow().has_root() {
            let nobody_wrote = || self.world.borrow().entries().len() == FOREIGN.len();
            if nobody_wrote() {
                // An empty vault, which reading does not create.
                self.check_contents()?;
                return if nobody_wrote() { Ok(()) } else { Err("a read wrote".into()) };
            }
            self.operate(Action::Init { node_bytes: self.plan.node_bytes, force: true })?;
        }
        // What is wrong now is wrong after the sweep too, which only takes unreachable records away.
        let is_rotated = self.plan.rotates && self.plan.host.has_atomics();
        if is_rotated {
            self.operate(Action::Rewrap)?;
        }
        if self.plan.host.has_atomics() {
            self.operate(Action::Sweep)?;
            self.check_swept()?;
        }
        if let Reply::Verified(found) = self.operate(Action::Verify)?
            && self.plan.host.has_atomics()
        {
            if found.orphans > 0 {
                return Err(format!("{} orphans after the sweep", found.orphans));
            }
            if is_rotated && found.by_old > 0 {
                return Err(format!("{} times sealed by the old key after the rewrap", found.by_old));
            }
        }
        if self.plan.host.has_atomics() && dice.one_in(MORE_IS_CHECKED_ONE_IN) {
            self.operate(Action::Backup)?;
        }
        if is_rotated {
            // Without the old key everything is there.
            self.ring.set(Ring::New);
        }
        let audit = self.as_operator(|platform| driver::audit(platform, &self.sealer()));
        let audit = audit.map_err(|code| format!("the audit can't be read: {}", code.as_str()))?;
        self.checker.borrow().check_audit(&audit)?;
        if dice.one_in(MORE_IS_RESTORED_ONE_IN) {
            self.restore_something(&mut dice)?;
        }
        // Records are sealed and written once, so values that were right when they were committed stay right.
        if dice.one_in(MORE_IS_CHECKED_ONE_IN) || is_rotated {
            self.check_contents()?;
            let draft = plan::preloaded(1000, &mut dice);
            return self.operate(Action::Create { draft, key: None }).map(drop);
        }
        self.check_listed()
    }

    /// After a sweep nothing is left of what is over, and of what was purged.
    fn check_swept(&self) -> Result<(), String> {
        self.observe();
        let (world, checker) = (self.world.borrow(), self.checker.borrow());
        let (snapshot, now_ms) = (checker.snapshot(), self.plan.time.at(world.step));
        if let Some(kept) = snapshot.versions.iter().chain(&snapshot.trash).find(|kept| kept.is_over(now_ms)) {
            return Err(format!("{} v{} is over, and there after the sweep", kept.cred.name, kept.cred.version));
        }
        match checker.purged.iter().find_map(|record| world.key_of(*record)) {
            Some(key) => Err(format!("{key} of a purged credential is there after the sweep")),
            None => Ok(()),
        }
    }

    /// What is kept can be restored: the checker sees whether it is what it was.
    fn restore_something(&self, dice: &mut Dice) -> Result<(), String> {
        self.observe();
        let snapshot = self.checker.borrow().snapshot().clone();
        let now_ms = self.plan.time.at(self.world.borrow().step);
        let candidates: Vec<Action> = (snapshot.versions.iter())
            .chain(&snapshot.trash)
            .filter(|kept| !kept.is_over(now_ms))
            .map(|kept| Action::Restore {
                target: Target::Id(kept.cred.id.clone()),
                version: Some(kept.cred.version),
                expected: None,
            })
            .filter(|action| !matches!(action.effect(&snapshot, self.rules()), Effect::Refused(_)))
            .collect();
        match candidates.len() {
            0 => Ok(()),
            count => self.operate(candidates[dice.below(count)].clone()).map(drop),
        }
    }

    /// A lost key is reported, or it did not matter.
    fn checked_loss(&self) -> Result<(), String> {
        let root_is_lost = !self.world.borrow().has_root();
        match (self.tried(Action::Verify), root_is_lost) {
            (Err(Code::StorageUninitialised), true) => self.loss_is_reported_to_readers(),
            (Err(Code::StorageCorrupt), false) => Ok(()),
            (Ok(_), false) => self.check_contents(),
            (Ok(_), true) => Err("verify is clean though the root is lost".into()),
            (Err(code), _) => Err(format!("verify of a vault that lost a key answers {}", code.as_str())),
        }
    }

    fn loss_is_reported_to_readers(&self) -> Result<(), String> {
        let list = Action::List { domain: None, limit: 10, offset: 0 };
        match self.as_operator(|platform| driver::perform(platform, &self.sealer(), &list, self.rules())) {
            Err(Code::StorageUninitialised) => Ok(()),
            other => Err(format!("a list without a root answers {other:?}")),
        }
    }

    /// The vault lists what it should.
    fn check_listed(&self) -> Result<(), String> {
        let expected = self.checker.borrow().snapshot().clone();
        self.check_against(&expected, &expected)
    }

    /// The vault lists what it should, and each credential has the values it should have.
    fn check_contents(&self) -> Result<(), String> {
        let expected = self.checker.borrow().snapshot().clone();
        self.check_against(&expected, &Snapshot::default())
    }

    /// The values of what is in `trusted` are not read.
    fn check_against(&self, expected: &Snapshot, trusted: &Snapshot) -> Result<(), String> {
        let rules = self.rules();
        let shown = self.as_operator(|platform| driver::show(platform, &LongAgo, &self.sealer(), trusted, rules));
        let shown = shown.map_err(|code| format!("the vault can't be read in the end: {}", code.as_str()))?;
        let is_right = |(seen, values): &(Seen, Option<Values>), cred: &Cred| {
            seen.shows(cred) && values.as_ref().is_none_or(|values| *values == cred.values)
        };
        let same = shown.creds.len() == expected.creds.len()
            && shown.creds.iter().zip(expected.creds.iter()).all(|(shown, cred)| is_right(shown, cred));
        if same { Ok(()) } else { Err("the vault holds in the end something else than after the last commit".into()) }
    }
}
