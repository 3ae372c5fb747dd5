//! A process that dies, or a machine that loses its power, before any operation of the file system.

use super::{Base, Bucket, Disk, KEY, Process, Swap, bucket};

/// One more than any call needs.
const OPERATIONS_MAX: u64 = 100;

/// A small generator, so that a failure can be repeated.
fn dice(mut state: u64) -> impl FnMut() -> bool {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 63 == 1
    }
}

/// Runs `call` on a disk that `prepare` made, with the process dying before each of its operations, and with and without a
/// failure of power after that; `check` sees the disk, and what the call answered or `None` if it died.
fn everywhere<T>(
    prepare: impl Fn(&Bucket<Process>),
    call: impl Fn(&Bucket<Process>) -> crate::files::Result<T>,
    check: impl Fn(&Bucket<Process>, Option<T>),
) {
    let mut finished = 0;
    for at in 0..OPERATIONS_MAX {
        for power in 0..17 {
            let disk = Disk::new();
            prepare(&bucket(&disk));
            let answer = call(&Bucket::open(disk.process_until(at), "default").unwrap()).ok();
            if power > 0 {
                disk.lose_power(dice(power * OPERATIONS_MAX + at));
            }
            finished += usize::from(answer.is_some());
            check(&bucket(&disk), answer);
        }
    }
    assert!(finished > 0, "it never got to its end");
}

#[test]
fn a_swap_happens_wholly_or_not_at_all() {
    let versions = [0, 1, 2, 40];
    for before in versions {
        everywhere(
            |bucket| (0..before).for_each(|n| assert_eq!(bucket.swap(KEY, &Base::Anything, &[n]), Ok(Swap::Done))),
            |bucket| {
                let (_, base) = bucket.durable(KEY)?;
                bucket.swap(KEY, &base, b"new")
            },
            |bucket, answer| {
                let (value, base) = bucket.durable(KEY).unwrap();
                let old = before.checked_sub(1).map(|n| vec![n]);
                match answer {
                    Some(answer) => assert_eq!((answer, value), (Swap::Done, Some(b"new".to_vec()))),
                    None => assert!(value == old || value == Some(b"new".to_vec()), "{value:?}"),
                }
                assert_eq!(bucket.swap(KEY, &base, b"next"), Ok(Swap::Done), "and it goes on");
                assert_eq!(bucket.get(KEY), Ok(Some(b"next".to_vec())));
            },
        );
    }
}

#[test]
fn what_was_set_before_a_swap_is_there_when_the_swap_is() {
    everywhere(
        |bucket| assert_eq!(bucket.swap(KEY, &Base::Anything, b"root 1"), Ok(Swap::Done)),
        |bucket| {
            let (_, base) = bucket.durable(KEY)?;
            bucket.set("node", b"of root 2")?;
            bucket.swap(KEY, &base, b"root 2")
        },
        |bucket, answer| {
            let root = bucket.get(KEY).unwrap();
            if answer.is_some() || root == Some(b"root 2".to_vec()) {
                assert_eq!(bucket.get("node"), Ok(Some(b"of root 2".to_vec())));
                assert_eq!(root, Some(b"root 2".to_vec()));
            }
        },
    );
}

#[test]
fn a_record_is_old_or_new_and_never_half() {
    everywhere(
        |bucket| {
            bucket.set(KEY, b"old").unwrap();
            // Makes the record durable, as it is before anything refers to it.
            bucket.swap("other", &Base::Anything, b"").unwrap();
            bucket.swap("other", &Base::Anything, b"").unwrap();
        },
        |bucket| bucket.set(KEY, b"new value"),
        |bucket, answer| {
            let value = bucket.get(KEY).unwrap().unwrap();
            assert!(value == b"new value" || (value == b"old"), "{value:?}");
            let _ = answer;
        },
    );
}

#[test]
fn a_deletion_happens_wholly_or_not_at_all() {
    for versions in [1, 3, 40] {
        everywhere(
            |bucket| {
                bucket.set(KEY, b"record").unwrap();
                (0..versions).for_each(|n| _ = bucket.swap(KEY, &Base::Anything, &[n]));
            },
            |bucket| bucket.delete(KEY),
            |bucket, answer| {
                let value = bucket.get(KEY).unwrap();
                assert!(value.is_none() || value == Some(vec![versions - 1]), "{value:?}");
                let _ = answer;
            },
        );
    }
}

#[test]
fn what_a_reader_was_shown_is_not_taken_back() {
    // The writer dies right after its swap can be seen, then a reader looks, then the power fails.
    for at in 0..OPERATIONS_MAX {
        for seed in 0..16 {
            let disk = Disk::new();
            bucket(&disk).swap(KEY, &Base::Anything, b"1").unwrap();
            let writer = Bucket::open(disk.process_until(at), "default").unwrap();
            let _ = writer.swap(KEY, &Base::Anything, b"2");
            let (shown, _) = bucket(&disk).durable(KEY).unwrap();
            disk.lose_power(dice(seed));
            assert_eq!(bucket(&disk).get(KEY), Ok(shown));
        }
    }
}
