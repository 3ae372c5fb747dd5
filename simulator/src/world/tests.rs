use super::*;
use crate::hosts;

const ROOT: &str = "sr1.tag.root";
const NODE: &str = "sr1.tag.n.abc";

fn world(host: &str) -> World {
    // Every request that can be struck is.
    let luck = Luck { dice: Dice::new(1), one_in: 1 };
    let mut world = World::new(BTreeMap::new(), hosts::by_name(host).unwrap(), luck, Trace::default());
    world.honest(0, &StoreCall::Set { key: ROOT, value: b"old" }).unwrap();
    world.take_root_change();
    world
}

fn swap(world: &mut World, seen: &Option<Bytes>, value: &[u8]) -> Result<Swap, StoreError> {
    match world.execute(7, &StoreCall::Swap { key: ROOT, seen: Some(seen), value }, 0)? {
        Answer::Swapped(swap) => Ok(swap),
        _ => panic!("another answer"),
    }
}

fn root(world: &World) -> Vec<u8> {
    world.entries()[ROOT].to_vec()
}

fn seen(text: &str) -> Option<Bytes> {
    Some(Rc::from(text.as_bytes()))
}

#[test]
fn a_correct_host_compares_and_tells() {
    let mut world = world("correct");
    assert_eq!(swap(&mut world, &seen("other"), b"new"), Ok(Swap::Conflict));
    assert_eq!(world.take_root_change(), None);
    assert_eq!(swap(&mut world, &seen("old"), b"new"), Ok(Swap::Stored));
    assert_eq!((root(&world), world.take_root_change()), (b"new".to_vec(), Some(7)));
    assert_eq!(swap(&mut world, &None, b"newer"), Ok(Swap::Conflict));
    assert_eq!(world.strikes(7), 0);
}

#[test]
fn spin_sqlite_overwrites_from_absent() {
    let mut world = world("spin-sqlite");
    assert_eq!(swap(&mut world, &None, b"new"), Ok(Swap::Stored));
    assert_eq!((root(&world), world.stats.faults(Fault::AbsentOverwritten)), (b"new".to_vec(), 1));
    assert_eq!(swap(&mut world, &seen("old"), b"newer"), Ok(Swap::Conflict));
}

#[test]
fn spin_redis_writes_and_says_conflict() {
    let mut world = world("spin-redis");
    assert_eq!(swap(&mut world, &seen("old"), b"new"), Ok(Swap::Conflict));
    assert_eq!((root(&world), world.stats.faults(Fault::SaysConflict)), (b"new".to_vec(), 1));
    assert_eq!(swap(&mut world, &seen("old"), b"newer"), Ok(Swap::Conflict));
    assert_eq!(root(&world), b"new");
}

#[test]
fn a_lost_swap_says_stored() {
    let mut world = world("lost-swap");
    assert_eq!(swap(&mut world, &seen("old"), b"new"), Ok(Swap::Stored));
    assert_eq!((root(&world), world.stats.faults(Fault::EffectLost)), (b"old".to_vec(), 1));
    assert_eq!(swap(&mut world, &seen("other"), b"new"), Ok(Swap::Conflict));
}

#[test]
fn a_lost_acknowledgement_is_an_error_after_the_write() {
    let mut world = world("lost-ack");
    assert_eq!(swap(&mut world, &seen("old"), b"new"), Err(refused()));
    assert_eq!((root(&world), world.strikes(7)), (b"new".to_vec(), 1));
    // Other keys than the root are struck half as often.
    let mut delete = |_| world.execute(0, &StoreCall::Delete { key: ROOT }, 0).is_err();
    assert!((0..9).any(&mut delete));
    assert!(!world.has_root());
}

#[test]
fn a_late_swap_keeps_its_comparison() {
    for (meanwhile, expected) in [("old", "new"), ("other", "other")] {
        let mut world = world("late");
        assert_eq!(swap(&mut world, &seen("old"), b"new"), Err(refused()));
        assert_eq!((root(&world), world.pending()), (b"old".to_vec(), 1));
        world.honest(0, &StoreCall::Set { key: ROOT, value: meanwhile.as_bytes() }).unwrap();
        world.land_one(&mut Dice::new(1));
        assert_eq!((root(&world), world.pending()), (expected.as_bytes().to_vec(), 0));
    }
}

#[test]
fn a_stale_get_shows_one_of_the_last_versions_and_current_the_newest() {
    let mut world = world("stale-get");
    for version in ["2", "3", "4", "5"] {
        world.honest(0, &StoreCall::Set { key: ROOT, value: version.as_bytes() }).unwrap();
    }
    let mut shown: Vec<String> = Vec::new();
    for _ in 0..200 {
        let Ok(Answer::Value(Some(value))) = world.execute(0, &StoreCall::Get { key: ROOT }, 0) else { panic!() };
        shown.push(String::from_utf8(value.to_vec()).unwrap());
        let Ok(Answer::Value(value)) = world.execute(0, &StoreCall::Current { key: ROOT }, 0) else { panic!() };
        assert_eq!(value, seen("5"));
    }
    shown.sort();
    shown.dedup();
    assert_eq!(shown, ["2", "3", "4"]);
    // A new key can still be missing.
    world.honest(0, &StoreCall::Set { key: NODE, value: b"x" }).unwrap();
    let mut missing = |_| matches!(world.execute(0, &StoreCall::Get { key: NODE }, 0), Ok(Answer::Value(None)));
    assert!((0..9).any(&mut missing));
}

#[test]
fn increments_that_come_close_get_a_wrong_total() {
    let mut world = world("bad-increment");
    world.step = 5;
    let mut increment = |asked| match world.execute(0, &StoreCall::Increment { key: "k.seed", delta: 1 }, asked) {
        Ok(Answer::Total(total)) => total,
        _ => panic!("another answer"),
    };
    assert_eq!(increment(5), 1);
    // Asked for before the first was carried out.
    assert_ne!(increment(4), 2);
    assert_eq!(increment(6), 3);
}

#[test]
fn a_losing_host_loses_one_key_and_never_the_seed() {
    let mut world = world("losing");
    world.honest(0, &StoreCall::Increment { key: "sr1.tag.seed", delta: 1 }).unwrap();
    for _ in 0..1000 {
        world.maybe_lose(true);
    }
    assert_eq!(world.lost_keys().map(|key| &**key).collect::<Vec<_>>(), [ROOT]);
    assert_eq!(world.unlost(ROOT), seen("old"));
    assert!(world.entries().contains_key("sr1.tag.seed"));
}

#[test]
fn without_atomics_they_must_not_be_used() {
    let mut world = world("no-atomics");
    assert!(world.execute(0, &StoreCall::Get { key: ROOT }, 0).is_ok());
    assert_eq!(world.out_of_interface, None);
    assert!(world.execute(0, &StoreCall::Current { key: ROOT }, 0).is_err());
    assert!(world.out_of_interface.is_some());
}

#[test]
fn lists_come_in_pages() {
    let mut world = world("correct");
    for number in 0..45 {
        world.honest(0, &StoreCall::Set { key: &format!("k{number:02}"), value: b"" }).unwrap();
    }
    let (mut cursor, mut keys, mut pages) = (None, Vec::new(), 0);
    loop {
        let Ok(Answer::Keys(page)) = world.execute(0, &StoreCall::ListKeys { cursor: cursor.as_deref() }, 0) else {
            panic!("another answer")
        };
        pages += 1;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((keys.len(), pages), (46, 3));
    assert!(keys.is_sorted());
}
