//! What a run consists of: drawn from a seed, and made smaller piece by piece after a failure.

use crate::dice::Dice;
use crate::hosts::Host;
use crate::model::{Change, Draft, Values};
use crate::platform::{ClockFaults, Time};

/// Everything that determines a run.
#[derive(Clone)]
pub struct Plan {
    /// Decides schedule, faults and randomness of the run; the rest of the plan is drawn from it too, at first.
    pub seed: u64,
    pub host: &'static dyn Host,
    /// Size of the tree's nodes; `None`: the default.
    pub node_bytes: Option<u32>,
    /// Credentials before the run; `None`: a store that was never written.
    pub preloaded: Option<usize>,
    pub actors: Vec<ActorPlan>,
    /// One request in so many is struck by a fault; 0: none.
    pub fault_one_in: usize,
    /// The running actor is left in one step out of so many; 1: every step is anybody's.
    pub switch_one_in: usize,
    /// Late writes take effect one at a time, in one step out of so many.
    pub land_one_in: usize,
    pub time: Time,
    /// A new master key is rolled out meanwhile: the first actor has it last, the others have it first.
    pub rotates: bool,
    /// Versions that are kept of a credential; 0: none, and nothing that was deleted.
    pub versions: u64,
}

#[derive(Clone)]
pub struct ActorPlan {
    pub calls: Vec<Call>,
    /// The process dies in the middle of this request, its successor in that one of its own, and so on; the last lives.
    pub deaths: Vec<u32>,
    pub clock: ClockFaults,
    /// Whether it may have values released, and so send them to other sites.
    pub is_trusted: bool,
    /// It takes only one out of so many of its turns.
    pub sloth: usize,
    /// At this turn it stands still for that many steps, or until nobody else is awake.
    pub stall: Option<(u32, u64)>,
}

/// An action whose details depend on what the vault holds when it is called.
#[derive(Clone, Debug)]
pub enum Call {
    Init,
    Sweep,
    Rewrap,
    Verify,
    Backup,
    /// `keyed`: with an idempotency key, and repeated when the outcome is not known.
    Create {
        draft: Draft,
        keyed: bool,
    },
    Put {
        draft: Draft,
        demand: Demand,
    },
    Update {
        whom: Whom,
        change: Change,
        conditional: bool,
    },
    Delete {
        whom: Whom,
        conditional: bool,
    },
    Restore {
        whom: Whom,
        /// How many versions back from the newest; `None`: what was deleted, as it was.
        back: Option<u64>,
        conditional: bool,
    },
    Purge {
        whom: Whom,
        conditional: bool,
    },
    PurgeDeleted,
    Versions(Whom),
    ListDeleted,
    Get(Whom),
    List {
        domain: Option<String>,
        limit: usize,
        offset: usize,
    },
    /// All pages, one after the other.
    ListAll {
        limit: usize,
    },
    Code {
        whom: Whom,
        exclusive: bool,
    },
    Supply {
        whom: Whom,
        exclusive: bool,
    },
}

/// The condition of a put.
#[derive(Clone, Copy, Debug)]
pub enum Demand {
    Anything,
    /// That there is no such credential.
    Nothing,
    /// The version that is the newest at the call.
    Newest,
}

#[derive(Clone, Debug)]
pub enum Whom {
    Name(String),
    /// One of the ids that were ever assigned.
    KnownId(usize),
    /// One of those that were deleted.
    Deleted(usize),
}

const DAY_MS: u64 = 86_400_000;
/// How long the audit is kept, with room for clocks that differ by some days.
const AUDIT_MS: u64 = 360 * DAY_MS;
/// Storms are long: more of them would leave little time for all else.
const STORM_ONE_IN: usize = 300;
/// More than one takes, so that who is stalled goes on after it.
const STEPS_OF_A_STORM: u64 = 20_000;
/// A secret that many credentials have.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
/// Few names, so that writers meet.
const NAMES: [&str; 6] = ["ada", "bob", "cleo", "dora", "emil", "fritz"];
const DOMAINS: [&str; 3] = ["a.example", "b.example", "sub.b.example"];
const ADDITIONAL: [&str; 2] = ["sub.a.example", "c.example"];

impl Plan {
    /// Draws a plan for this host.
    pub fn draw(seed: u64, host: &'static dyn Host) -> Self {
        let mut dice = Dice::stream(seed, 1);
        if dice.one_in(STORM_ONE_IN) {
            return Self::storm(seed, host, &mut dice);
        }
        let node_bytes = *dice.pick(&[Some(256), Some(256), Some(512), None]);
        let preloaded = *dice.pick(&[None, None, Some(0), Some(2), Some(6), Some(6), Some(20)]);
        let focus = *dice.pick(&FOCUSES);
        let actors = 2 + dice.below(3);
        Self {
            seed,
            host,
            node_bytes,
            preloaded,
            actors: (0..actors).map(|actor| ActorPlan::draw(&mut dice, actor, focus)).collect(),
            fault_one_in: *dice.pick(&[2, 4, 8, 16]),
            switch_one_in: *dice.pick(&[1, 1, 2, 6]),
            land_one_in: *dice.pick(&[2, 6, 20, 100]),
            time: Time {
                ms_per_step: *dice.pick(&[1, 50, 500, 4000]),
                leap: dice.one_in(4).then(|| (dice.below(400) as u64, *dice.pick(&[29, 31, 31, 400]) * DAY_MS)),
            },
            rotates: Dice::stream(seed, 5).one_in(3),
            versions: *dice.pick(&[10, 10, 10, 2, 1, 0]),
        }
    }

    /// One actor works so fast, and the others so slowly, that they are overtaken more often than they try again, or by
    /// more commits than the root remembers.
    fn storm(seed: u64, host: &'static dyn Host, dice: &mut Dice) -> Self {
        let codes = dice.one_in(2);
        let ada = || Whom::Name(NAMES[0].to_owned());
        let call = |actor: usize, call: usize| {
            if codes {
                return Call::Code { whom: ada(), exclusive: true };
            }
            let password = ("password".to_owned(), format!("password {actor}.{call}"));
            let change = Change { values: Values::from([password]), ..Change::default() };
            Call::Update { whom: ada(), change, conditional: false }
        };
        let actor = |number: usize, calls: usize, sloth: usize, stall: Option<(u32, u64)>| ActorPlan {
            calls: (0..calls).map(|position| call(number, position)).collect(),
            deaths: Vec::new(),
            clock: ClockFaults::default(),
            is_trusted: true,
            sloth,
            stall,
        };
        let slow = actor(1, 2, *dice.pick(&[10, 25]), None);
        let stalled = actor(2, 2, 1, Some((4 + dice.below(6) as u32, STEPS_OF_A_STORM)));
        Self {
            seed,
            host,
            node_bytes: if codes { None } else { *dice.pick(&[None, Some(256)]) },
            preloaded: Some(2),
            actors: vec![actor(0, 320, 1, None), slow, stalled],
            fault_one_in: *dice.pick(&[0, 32]),
            switch_one_in: 1,
            land_one_in: 2,
            // A new time step with every other call or so.
            time: Time { ms_per_step: if codes { 3000 } else { 10 }, leap: None },
            rotates: false,
            versions: 10,
        }
    }

    /// Whether the processes' clocks show different times.
    pub fn clocks_differ(&self) -> bool {
        self.time.leap.is_some() || self.actors.iter().any(|actor| actor.clock != ClockFaults::default())
    }

    /// Whether what one process writes into the audit can be too old for another.
    pub fn audit_ends(&self) -> bool {
        let leap_ms = self.time.leap.map_or(0, |(_, ms)| ms);
        leap_ms >= AUDIT_MS || self.actors.iter().any(|actor| actor.clock.ahead_ms < -(AUDIT_MS as i64 / 2))
    }

    /// Smaller plans of the same kind, the most drastic first.
    pub fn reductions(&self) -> Vec<Plan> {
        let mut smaller = Vec::new();
        let mut add = |change: &dyn Fn(&mut Plan)| {
            let mut plan = self.clone();
            change(&mut plan);
            smaller.push(plan);
        };
        for actor in 0..self.actors.len() {
            if self.actors.len() > 1 {
                add(&|plan| drop(plan.actors.remove(actor)));
            }
            let calls = self.actors[actor].calls.len();
            if calls > 3 {
                add(&|plan| plan.actors[actor].calls.truncate(calls / 2));
                add(&|plan| drop(plan.actors[actor].calls.drain(..calls / 2)));
            }
            for call in 0..calls {
                add(&|plan| drop(plan.actors[actor].calls.remove(call)));
            }
            if !self.actors[actor].deaths.is_empty() {
                add(&|plan| plan.actors[actor].deaths.clear());
            }
            if self.actors[actor].stall.is_some() {
                add(&|plan| plan.actors[actor].stall = None);
            }
            if self.actors[actor].clock != ClockFaults::default() {
                add(&|plan| plan.actors[actor].clock = ClockFaults::default());
            }
        }
        for fewer in [None, Some(0), Some(2)] {
            if fewer < self.preloaded {
                add(&|plan| plan.preloaded = fewer);
            }
        }
        if self.rotates {
            add(&|plan| plan.rotates = false);
        }
        if self.node_bytes.is_some() {
            add(&|plan| plan.node_bytes = None);
        }
        if (1..64).contains(&self.fault_one_in) {
            add(&|plan| plan.fault_one_in = 0);
            add(&|plan| plan.fault_one_in *= 2);
        }
        if self.time.leap.is_some() {
            add(&|plan| plan.time.leap = None);
        }
        if self.switch_one_in < 32 {
            add(&|plan| plan.switch_one_in *= 2);
        }
        smaller
    }
}

const FOCUSES: [Focus; 10] = [
    Focus::Mixed,
    Focus::Mixed,
    Focus::Mixed,
    Focus::Mixed,
    Focus::Writers,
    Focus::Writers,
    Focus::Writers,
    Focus::Codes,
    Focus::Codes,
    Focus::Sloths,
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Focus {
    Mixed,
    /// Mostly changes.
    Writers,
    /// Mostly exclusive one-time codes.
    Codes,
    /// One writes much while the others are slow: garbage is deleted under their feet.
    Sloths,
}

impl ActorPlan {
    fn draw(dice: &mut Dice, actor: usize, focus: Focus) -> Self {
        let is_sloth = focus == Focus::Sloths && actor > 0;
        let calls = match focus {
            Focus::Sloths if !is_sloth => 24 + dice.below(16),
            Focus::Codes => 1 + dice.below(7),
            _ => 1 + dice.below(5),
        };
        let mut deaths = Vec::new();
        while dice.one_in(3) && focus != Focus::Sloths {
            deaths.push(dice.below(30) as u32);
        }
        let focus = if focus == Focus::Sloths && !is_sloth { Focus::Writers } else { focus };
        Self {
            calls: (0..calls).map(|call| Call::draw(dice, actor, call, focus)).collect(),
            sloth: if is_sloth { *dice.pick(&[8, 30]) } else { 1 },
            stall: dice.one_in(6).then(|| (1 + dice.below(40) as u32, *dice.pick(&[20, 100, 1000]))),
            deaths,
            is_trusted: dice.one_in(2),
            clock: ClockFaults {
                ahead_ms: *dice.pick(&[0, 0, 0, 700, -1500, 31_000, -45_000, 86_400_000, -2_000_000_000_000]),
                back: dice.one_in(4).then(|| (dice.below(100) as u64, *dice.pick(&[2_000, 40_000, 3_600_000]))),
            },
        }
    }
}

impl Call {
    /// `actor` and `call` make the values of each draft its own, so that every change can be told from all others.
    fn draw(dice: &mut Dice, actor: usize, call: usize, focus: Focus) -> Self {
        if focus == Focus::Codes && !dice.one_in(4) {
            let (whom, exclusive) = (Whom::draw(dice), !dice.one_in(8));
            return if dice.one_in(4) { Call::Supply { whom, exclusive } } else { Call::Code { whom, exclusive } };
        }
        let kinds = if focus == Focus::Writers { 22 } else { 36 };
        match dice.below(kinds) {
            0..=3 => Call::Create { draft: draft(dice, actor, call, focus), keyed: dice.one_in(2) },
            4..=5 => Call::Put {
                draft: draft(dice, actor, call, focus),
                demand: *dice.pick(&[Demand::Anything, Demand::Anything, Demand::Newest, Demand::Nothing]),
            },
            6..=9 => {
                Call::Update { whom: Whom::draw(dice), change: change(dice, actor, call), conditional: dice.one_in(4) }
            }
            10..=11 => Call::Delete { whom: Whom::draw(dice), conditional: dice.one_in(4) },
            12 if dice.one_in(2) => Call::Rewrap,
            12 => Call::Sweep,
            13 => Call::Init,
            14..=16 => Call::Restore {
                whom: Whom::draw(dice),
                back: (!dice.one_in(4)).then(|| 1 + dice.below(3) as u64),
                conditional: dice.one_in(6),
            },
            17..=19 => Call::Restore {
                whom: Whom::Deleted(dice.below(64)),
                back: dice.one_in(3).then(|| dice.below(4) as u64),
                conditional: false,
            },
            20 => Call::Purge { whom: Whom::draw(dice), conditional: dice.one_in(4) },
            21 if dice.one_in(3) => Call::PurgeDeleted,
            21 => Call::Purge { whom: Whom::Deleted(dice.below(64)), conditional: false },
            22 if dice.one_in(2) => Call::Backup,
            22 => Call::Verify,
            23..=24 => Call::Versions(Whom::draw(dice)),
            25 => Call::ListDeleted,
            26..=27 => Call::Get(Whom::draw(dice)),
            28 => Call::List {
                domain: dice.one_in(2).then(|| (*dice.pick(&DOMAINS)).to_owned()),
                limit: 1 + dice.below(4),
                offset: dice.below(4),
            },
            29..=30 => Call::ListAll { limit: 1 + dice.below(5) },
            31..=32 => Call::Code { whom: Whom::draw(dice), exclusive: dice.one_in(2) },
            _ => Call::Supply { whom: Whom::draw(dice), exclusive: dice.one_in(3) },
        }
    }
}

impl Whom {
    fn draw(dice: &mut Dice) -> Self {
        if dice.one_in(3) { Whom::KnownId(dice.below(64)) } else { Whom::Name((*dice.pick(&NAMES)).to_owned()) }
    }
}

fn draft(dice: &mut Dice, actor: usize, call: usize, focus: Focus) -> Draft {
    let user = ("user".to_owned(), format!("user {actor}.{call}"));
    let password = ("password".to_owned(), format!("password {actor}.{call}"));
    let with_totp = focus == Focus::Codes || dice.one_in(3);
    Draft {
        name: (*dice.pick(&NAMES)).to_owned(),
        domain: (*dice.pick(&DOMAINS)).to_owned(),
        additional: additional(dice),
        values: Values::from([user, password]),
        totp: with_totp.then(|| if dice.one_in(2) { SECRET.to_owned() } else { secret(dice) }),
    }
}

fn change(dice: &mut Dice, actor: usize, call: usize) -> Change {
    let mut change = Change::default();
    let password = ("password".to_owned(), format!("password {actor}.{call}"));
    match dice.below(8) {
        6 => change.domain = Some((*dice.pick(&DOMAINS)).to_owned()),
        7 => change.additional = Some(additional(dice)),
        0 => change.name = Some((*dice.pick(&NAMES)).to_owned()),
        // Some of them again and again: setting a secret once more must not give a time step out once more.
        1 => change.totp = Some(Some(if dice.one_in(2) { SECRET.to_owned() } else { secret(dice) })),
        2 => change.totp = Some(None),
        3 => change.remove = vec!["user".to_owned()],
        _ => drop(change.values.insert(password.0, password.1)),
    }
    change
}

fn additional(dice: &mut Dice) -> Vec<String> {
    if dice.one_in(4) { vec![(*dice.pick(&ADDITIONAL)).to_owned()] } else { Vec::new() }
}

/// A TOTP secret of 160 bits in base32 (RFC 4648).
pub fn secret(dice: &mut Dice) -> String {
    (0..32).map(|_| char::from(*dice.pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))).collect()
}

/// The credential at this position of the vault before the run.
pub fn preloaded(position: usize, dice: &mut Dice) -> Draft {
    let mut draft = draft(dice, 99, position, Focus::Mixed);
    draft.name = NAMES.get(position).map_or_else(|| format!("name {position}"), |name| (*name).to_owned());
    // One in two with a secret, so that there are codes to ask for.
    draft.totp = position.is_multiple_of(2).then(|| secret(dice));
    draft
}
