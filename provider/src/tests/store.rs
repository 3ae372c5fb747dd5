//! What the store promises when nothing goes wrong, and its settings.

use super::{Base, Bucket, Disk, KEY, Swap, bucket};
use crate::files::{Fault, Files};
use crate::{name, settings};

#[test]
fn what_was_set_is_there_until_it_is_deleted() {
    let disk = Disk::new();
    let bucket = bucket(&disk);
    assert_eq!(bucket.get("k"), Ok(None));
    assert_eq!(bucket.delete("k"), Ok(()), "deleting what is not there succeeds");
    for value in [&b"one"[..], b"", &[7; 100_000]] {
        bucket.set("k", value).unwrap();
        assert_eq!(bucket.get("k"), Ok(Some(value.to_vec())));
    }
    bucket.delete("k").unwrap();
    assert_eq!(bucket.get("k"), Ok(None));
    assert_eq!(disk.tree(), [] as [String; 0], "nothing is left behind");
}

#[test]
fn a_swap_replaces_what_it_was_shown_and_nothing_else() {
    let disk = Disk::new();
    let bucket = bucket(&disk);
    let (value, absent) = bucket.durable(KEY).unwrap();
    assert_eq!((value, &absent), (None, &Base::Record(None)));
    assert_eq!(bucket.swap(KEY, &absent, b"1"), Ok(Swap::Done));
    assert_eq!(bucket.swap(KEY, &absent, b"x"), Ok(Swap::Refused));
    let (value, first) = bucket.durable(KEY).unwrap();
    assert_eq!(value, Some(b"1".to_vec()));
    assert_eq!(bucket.swap(KEY, &first, b"2"), Ok(Swap::Done));
    assert_eq!(bucket.swap(KEY, &first, b"x"), Ok(Swap::Refused));
    assert_eq!(bucket.swap(KEY, &Base::Anything, b"3"), Ok(Swap::Done), "a handle that was never read");
    assert_eq!(bucket.get(KEY), Ok(Some(b"3".to_vec())));
}

#[test]
fn a_handle_that_is_older_than_all_versions_that_stay_changes_nothing() {
    let disk = Disk::new();
    let bucket = bucket(&disk);
    bucket.swap(KEY, &Base::Anything, b"old").unwrap();
    let (_, old) = bucket.current(KEY).unwrap();
    for n in 0..100u8 {
        bucket.swap(KEY, &Base::Anything, &[n]).unwrap();
        assert_eq!(bucket.swap(KEY, &old, b"x"), Ok(Swap::Refused));
    }
    assert_eq!(bucket.get(KEY), Ok(Some(vec![99])));
    assert_eq!(disk.tree().len(), 16, "older ones are removed: {:?}", disk.tree());
}

#[test]
fn a_deleted_cell_is_absent_and_its_handles_change_nothing() {
    let disk = Disk::new();
    let bucket = bucket(&disk);
    for _ in 0..3 {
        assert_eq!(bucket.current(KEY).unwrap(), (None, Base::Record(None)));
        bucket.swap(KEY, &Base::Record(None), b"1").unwrap();
        let (_, base) = bucket.current(KEY).unwrap();
        bucket.delete(KEY).unwrap();
        assert_eq!(bucket.swap(KEY, &base, b"2"), Ok(Swap::Refused));
        bucket.swap(KEY, &Base::Record(None), b"3").unwrap();
        assert_eq!(bucket.swap(KEY, &base, b"2"), Ok(Swap::Refused), "not that one, which came later");
        bucket.delete(KEY).unwrap();
    }
    assert_eq!(disk.tree(), [] as [String; 0]);
}

#[test]
fn a_key_can_be_written_in_both_ways() {
    let disk = Disk::new();
    let bucket = bucket(&disk);
    bucket.set(KEY, b"set").unwrap();
    let (value, base) = bucket.current(KEY).unwrap();
    assert_eq!(value, Some(b"set".to_vec()));
    assert_eq!(bucket.swap(KEY, &Base::Record(None), b"x"), Ok(Swap::Refused));
    assert_eq!(bucket.swap(KEY, &base, b"swapped"), Ok(Swap::Done));
    assert_eq!(bucket.get(KEY), Ok(Some(b"swapped".to_vec())));
    bucket.set(KEY, b"set again").unwrap();
    assert_eq!(bucket.get(KEY), Ok(Some(b"set again".to_vec())));
    assert_eq!(bucket.list_keys(), Ok(vec![KEY.to_owned()]));
}

#[test]
fn numbers_are_added_up() {
    let disk = Disk::new();
    let bucket = bucket(&disk);
    assert_eq!(bucket.increment("n", 5), Ok(5));
    assert_eq!(bucket.increment("n", -7), Ok(-2));
    assert_eq!(bucket.get("n"), Ok(Some((-2i64).to_le_bytes().to_vec())));
    bucket.set("text", b"no number").unwrap();
    assert!(bucket.increment("text", 1).is_err());
    assert_eq!(bucket.get("text"), Ok(Some(b"no number".to_vec())));
    bucket.increment("max", i64::MAX).unwrap();
    assert!(bucket.increment("max", 1).is_err());
}

#[test]
fn buckets_and_keys_of_any_name_are_kept_apart() {
    let disk = Disk::new();
    let keys = ["a", "A", ".", "..", "a/b", "a%2fb", "%", "é", "a.b", "/etc/passwd", "\0", " ", "con", "a_b-c"];
    let buckets: Vec<_> = keys.iter().map(|name| Bucket::open(disk.process(), name).unwrap()).collect();
    for (at, bucket) in buckets.iter().enumerate() {
        keys.iter().for_each(|key| bucket.set(key, format!("{at} {key}").as_bytes()).unwrap());
    }
    let mut sorted = keys.map(str::to_owned);
    sorted.sort();
    for (at, bucket) in buckets.iter().enumerate() {
        keys.iter().for_each(|key| assert_eq!(bucket.get(key), Ok(Some(format!("{at} {key}").into_bytes()))));
        assert_eq!(bucket.list_keys(), Ok(sorted.to_vec()));
    }
    assert!(Bucket::open(disk.process(), "").is_none() && Bucket::open(disk.process(), &"x".repeat(256)).is_none());
    assert!(buckets[0].get("").is_err() && buckets[0].set(&"x".repeat(256), b"").is_err());
    for foreign in ["A", "%zz", "%2", ".hidden", "%41%", "é", "%61"] {
        assert_eq!(name::decode(foreign), None, "{foreign}");
    }
}

#[test]
fn what_dead_processes_left_is_removed_when_it_is_old() {
    let disk = Disk::new();
    bucket(&disk).swap(KEY, &Base::Anything, b"1").unwrap();
    let intact = disk.tree();
    let process = disk.process();
    process.create("keyvalue.v1/default/new/left", b"half").unwrap();
    process.make_directory("keyvalue.v1/default/new/cell").unwrap();
    process.create("keyvalue.v1/default/new/cell/1", b"half").unwrap();
    disk.grow_old(3600);
    bucket(&disk).list_keys().unwrap();
    assert_eq!(disk.tree().len(), intact.len() + 2, "somebody may be at it");
    disk.grow_old(1);
    bucket(&disk).list_keys().unwrap();
    assert_eq!(disk.tree(), intact);
}

#[test]
fn settings_are_files() {
    let disk = Disk::new();
    let process = disk.process();
    assert_eq!(settings::get(&process, "strongroom_keys"), Ok(None));
    assert_eq!(settings::get_all(&process), Ok(vec![]));
    process.make_directory("settings").unwrap();
    process.create("settings/strongroom_keys", b"k1:abc\r\n").unwrap();
    process.create("settings/strongroom_bucket", b" \n").unwrap();
    process.create("settings/.swp", b"of an editor").unwrap();
    process.create("settings/binary", b"\xff").unwrap();
    process.make_directory("settings/directory").unwrap();
    assert_eq!(settings::get(&process, "strongroom_keys"), Ok(Some("k1:abc".into())));
    assert_eq!(settings::get(&process, "strongroom_bucket"), Ok(Some(String::new())));
    for name in ["", "../settings/strongroom_keys", ".swp", "A", "strongroom_tokens"] {
        assert_eq!(settings::get(&process, name), Ok(None), "{name}");
    }
    assert_eq!(settings::get(&process, "binary"), Err("settings/binary is not text".into()));
    assert!(settings::get(&process, "directory").unwrap_err().contains("settings/directory cannot be read"));
    process.remove("settings/binary").unwrap();
    process.remove_directory("settings/directory").unwrap();
    let all = settings::get_all(&process).unwrap();
    assert_eq!(all, [("strongroom_bucket".into(), "".into()), ("strongroom_keys".into(), "k1:abc".into())]);
    assert_eq!(process.remove("settings/nothing"), Err(Fault::Missing));
}
