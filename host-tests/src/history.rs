//! What clients were told while servers died, held against what is there in the end.
//!
//! Names are tried once each, or by several clients with other values; registers are changed only from a version that was
//! seen; codes are asked for exclusively. So no order has to be searched for: every answer says which state it made, and no
//! two may have made the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<T> {
    Done(T),
    /// Certainly not done.
    Refused,
    /// An error that leaves it open, or no answer.
    Unknown,
}

/// What one client did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A name, and the id it was given.
    Create { name: String, is_shared: bool, told: Told<String> },
    /// A deletion, once, of a credential that was acknowledged to the same client and has a name of its own.
    Delete { id: String, told: Told<()> },
    /// A change of a register, and the version it made.
    Update { id: String, told: Told<u64> },
    /// The end of the time step of an exclusive code.
    Code { id: String, told: Told<String> },
    /// Whether a credential that was acknowledged before is there.
    Read { id: String, told: Told<bool> },
}

/// What is there in the end.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Id, name and version of each credential.
    pub credentials: Vec<(String, String, u64)>,
    /// Action, credential and version of each entry of the audit.
    pub audit: Vec<(String, String, Option<u64>)>,
}

/// What went wrong. Empty if nothing did.
#[derive(Debug, Default)]
pub struct Violations(pub Vec<String>);

impl fmt::Display for Violations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(20).try_for_each(|violation| writeln!(formatter, "{violation}"))
    }
}

/// Holds a history against its end. `before`: the credentials that were there at its beginning.
pub fn check(events: &[Event], before: &[(String, String, u64)], found: &Found) -> Violations {
    let mut violations = Violations::default();
    creates(events, before, found, &mut violations);
    deletes(events, found, &mut violations);
    updates(events, before, found, &mut violations);
    codes(events, &mut violations);
    for event in events {
        if let Event::Read { id, told: Told::Done(false) } = event {
            violations.0.push(format!("{id} was acknowledged, and then not there"));
        }
    }
    violations
}

fn creates(events: &[Event], before: &[(String, String, u64)], found: &Found, violations: &mut Violations) {
    let mut say = |text: String| violations.0.push(text);
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, name, _) in &found.credentials {
        by_name.entry(name).or_default().push(id);
    }
    let mut tried: BTreeMap<&str, Vec<&Told<String>>> = BTreeMap::new();
    for event in events {
        let Event::Create { name, is_shared, told } = event else { continue };
        tried.entry(name).or_default().push(told);
        if !is_shared && *told == Told::Refused {
            say(format!("{name} was refused, though nobody else has the name"));
        }
    }
    let is_deleted = |id: &str| events.iter().any(|event| matches!(event, Event::Delete { id: of, .. } if of == id));
    for (name, told) in &tried {
        let acknowledged: Vec<_> =
            told.iter().filter_map(|told| if let Told::Done(id) = told { Some(id.as_str()) } else { None }).collect();
        let there = by_name.get(name).cloned().unwrap_or_default();
        if acknowledged.len() > 1 || there.len() > 1 {
            say(format!("{name} is there twice: {acknowledged:?} {there:?}"));
        }
        if let [id] = *acknowledged
            && there != [id]
            && !(there.is_empty() && is_deleted(id))
        {
            say(format!("{name} was acknowledged as {id}, and is {there:?}"));
        }
        if acknowledged.is_empty() && !there.is_empty() && !told.contains(&&Told::Unknown) {
            say(format!("{name} is there, and nobody was told so"));
        }
    }
    let known: BTreeSet<&str> = before.iter().map(|(id, ..)| id.as_str()).collect();
    for (id, name, _) in found.credentials.iter().filter(|(id, ..)| !known.contains(id.as_str())) {
        if !tried.contains_key(name.as_str()) {
            say(format!("{name} ({id}) is there, and nobody tried it"));
        }
    }
    let there = found.credentials.iter().map(|(id, ..)| id.as_str()).filter(|id| !known.contains(id));
    let acknowledged = events.iter().filter_map(|event| match event {
        Event::Create { told: Told::Done(id), .. } => Some(id.as_str()),
        _ => None,
    });
    for id in there.chain(acknowledged).collect::<BTreeSet<_>>() {
        let written = entries(found, "create", id);
        if written != 1 {
            say(format!("the creation of {id}: the audit has it {written} times"));
        }
    }
}

fn entries(found: &Found, action: &str, id: &str) -> usize {
    found.audit.iter().filter(|(of, credential, _)| of == action && credential == id).count()
}

fn deletes(events: &[Event], found: &Found, violations: &mut Violations) {
    for event in events {
        let Event::Delete { id, told } = event else { continue };
        let is_there = found.credentials.iter().any(|(of, ..)| of == id);
        match told {
            Told::Done(()) if is_there => violations.0.push(format!("{id} was deleted, and is there")),
            Told::Refused => violations.0.push(format!("{id} was acknowledged, and not there to be deleted")),
            Told::Done(()) | Told::Unknown => {}
        }
        let written = entries(found, "delete", id);
        if written != usize::from(!is_there) {
            violations.0.push(format!("the deletion of {id}: the audit has it {written} times"));
        }
    }
}

fn updates(events: &[Event], before: &[(String, String, u64)], found: &Found, violations: &mut Violations) {
    for (id, name, first) in before {
        let of_this = events.iter().filter_map(|event| match event {
            Event::Update { id: of, told } if of == id => Some(told),
            _ => None,
        });
        let told: Vec<_> = of_this.collect();
        let made: Vec<u64> =
            told.iter().filter_map(|told| if let Told::Done(made) = told { Some(*made) } else { None }).collect();
        let distinct: BTreeSet<u64> = made.iter().copied().collect();
        if distinct.len() < made.len() {
            violations.0.push(format!("a version of {name} was made twice: {made:?}"));
        }
        let unknown = told.iter().filter(|told| ***told == Told::Unknown).count() as u64;
        let last = found.credentials.iter().find(|(of, ..)| of == id).map_or(0, |(_, _, version)| *version);
        let changes = last.saturating_sub(*first);
        if changes < made.len() as u64 || changes > made.len() as u64 + unknown {
            let made = made.len();
            violations.0.push(format!("{name} has changed {changes} times: {made} acknowledged, {unknown} unknown"));
        }
        for version in first + 1..=last {
            let is_entry = |(action, of, made): &&(String, String, Option<u64>)| {
                action == "update" && of == id && *made == Some(version)
            };
            let written = found.audit.iter().filter(is_entry).count();
            if written != 1 {
                violations.0.push(format!("version {version} of {name}: the audit has it {written} times"));
            }
        }
    }
}

fn codes(events: &[Event], violations: &mut Violations) {
    let mut given = BTreeSet::new();
    for event in events {
        if let Event::Code { id, told: Told::Done(step) } = event
            && !given.insert((id, step))
        {
            violations.0.push(format!("the code of {id} until {step} was given twice"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        text.to_owned()
    }

    fn create(name: &str, told: Told<&str>) -> Event {
        let told = match told {
            Told::Done(id) => Told::Done(text(id)),
            Told::Refused => Told::Refused,
            Told::Unknown => Told::Unknown,
        };
        Event::Create { name: text(name), is_shared: name.starts_with("shared"), told }
    }

    fn update(told: Told<u64>) -> Event {
        Event::Update { id: text("r"), told }
    }

    fn delete(id: &str, told: Told<()>) -> Event {
        Event::Delete { id: text(id), told }
    }

    fn code(step: &str) -> Event {
        Event::Code { id: text("r"), told: Told::Done(text(step)) }
    }

    /// A history without fault, and its end.
    fn good() -> (Vec<Event>, Found) {
        let events = vec![
            create("a", Told::Done("1")),
            create("b", Told::Unknown),
            create("c", Told::Unknown),
            create("shared", Told::Refused),
            create("shared", Told::Done("3")),
            create("gone", Told::Done("4")),
            delete("4", Told::Done(())),
            create("perhaps gone", Told::Done("5")),
            delete("5", Told::Unknown),
            create("still there", Told::Done("6")),
            delete("6", Told::Unknown),
            update(Told::Done(2)),
            update(Told::Refused),
            update(Told::Unknown),
            code("s1"),
            code("s2"),
            Event::Read { id: text("1"), told: Told::Done(true) },
        ];
        let credential = |id: &str, name: &str, version| (text(id), text(name), version);
        let entry = |action: &str, id: &str, version| (text(action), text(id), version);
        let found = Found {
            credentials: vec![
                credential("r", "register", 3),
                credential("1", "a", 1),
                credential("2", "b", 1),
                credential("3", "shared", 1),
                credential("6", "still there", 1),
            ],
            audit: vec![
                entry("create", "r", Some(1)),
                entry("create", "1", Some(1)),
                entry("create", "2", Some(1)),
                entry("create", "3", Some(1)),
                entry("update", "r", Some(2)),
                entry("update", "r", Some(3)),
                entry("create", "4", Some(1)),
                entry("delete", "4", Some(1)),
                entry("create", "5", Some(1)),
                entry("delete", "5", Some(1)),
                entry("create", "6", Some(1)),
            ],
        };
        (events, found)
    }

    fn before() -> Vec<(String, String, u64)> {
        vec![(text("r"), text("register"), 1)]
    }

    #[test]
    fn what_went_well_is_accepted() {
        let (events, found) = good();
        assert_eq!(check(&events, &before(), &found).0, Vec::<String>::new());
    }

    #[test]
    fn whatever_is_lost_or_made_twice_is_noticed() {
        type Damage = fn(&mut Vec<Event>, &mut Found);
        let cases: [(&str, Damage); 20] = [
            ("is []", |_, found| _ = found.credentials.remove(1)),
            ("is there twice", |_, found| found.credentials.push((text("9"), text("a"), 1))),
            ("is there twice", |events, _| events.push(create("shared", Told::Done("4")))),
            ("was acknowledged as 7", |events, _| events.push(create("e", Told::Done("7")))),
            ("nobody tried it", |_, found| found.credentials.push((text("8"), text("h"), 1))),
            ("4 was deleted, and is there", |_, found| found.credentials.push((text("4"), text("gone"), 1))),
            ("not there to be deleted", |events, _| events.push(delete("1", Told::Refused))),
            ("the creation of 4: the audit has it 0", |_, found| _ = found.audit.remove(6)),
            ("the deletion of 4: the audit has it 0", |_, found| _ = found.audit.remove(7)),
            ("the deletion of 5: the audit has it 0", |_, found| _ = found.audit.remove(9)),
            ("the deletion of 6: the audit has it 1", |_, found| found.audit.push((text("delete"), text("6"), None))),
            ("nobody else has the name", |events, _| events.push(create("f", Told::Refused))),
            ("nobody was told", |events, _| events[1] = create("other", Told::Unknown)),
            ("the audit has it 0 times", |_, found| _ = found.audit.remove(1)),
            ("the audit has it 2 times", |_, found| found.audit.push(found.audit[4].clone())),
            ("made twice", |events, _| events.push(update(Told::Done(2)))),
            ("has changed 1 times", |events, found| {
                events.push(update(Told::Done(3)));
                found.credentials[0].2 = 2;
            }),
            ("has changed 4 times", |_, found| found.credentials[0].2 = 5),
            ("was given twice", |events, _| events.push(code("s1"))),
            ("and then not there", |events, _| events.push(Event::Read { id: text("1"), told: Told::Done(false) })),
        ];
        for (reason, damage) in cases {
            let (mut events, mut found) = good();
            damage(&mut events, &mut found);
            if reason == "nobody was told" {
                // Whoever had it is not in the history any more.
                events.push(create("b", Told::Refused));
            }
            let violations = check(&events, &before(), &found);
            assert!(violations.to_string().contains(reason), "{reason}: {violations}");
        }
    }
}
