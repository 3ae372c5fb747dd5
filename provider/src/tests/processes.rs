//! Several processes on one directory, in any order of their operations.

use super::{Base, Bucket, Disk, KEY, Process, Swap, bucket};
use std::sync::{Arc, Condvar, Mutex};

/// Lets one of several threads take a step at a time, chosen at random.
struct Turns {
    state: Mutex<(Option<usize>, Vec<bool>, u64)>,
    changed: Condvar,
}

impl Turns {
    fn new(threads: usize, seed: u64) -> Arc<Self> {
        let turns = Self { state: Mutex::new((None, vec![true; threads], seed)), changed: Condvar::new() };
        turns.state.lock().unwrap().choose();
        Arc::new(turns)
    }

    /// Waits until it is this one's turn, and gives it away for the step after.
    fn step(&self, thread: usize) {
        let mut state = self.changed.wait_while(self.state.lock().unwrap(), |state| state.0 != Some(thread)).unwrap();
        state.choose();
        self.changed.notify_all();
    }

    fn end(&self, thread: usize) {
        let mut state = self.state.lock().unwrap();
        state.1[thread] = false;
        if state.0 == Some(thread) {
            state.choose();
        }
        self.changed.notify_all();
    }
}

trait Choose {
    fn choose(&mut self);
}

impl Choose for (Option<usize>, Vec<bool>, u64) {
    fn choose(&mut self) {
        let (next, running, seed) = self;
        let alive: Vec<usize> = (0..running.len()).filter(|thread| running[*thread]).collect();
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *next = (!alive.is_empty()).then(|| alive[(*seed >> 33) as usize % alive.len()]);
    }
}

/// Runs one closure for each process, interleaved as the seed says.
fn interleave<T: Send>(
    disk: &Disk,
    seed: u64,
    count: usize,
    run: impl Fn(usize, Bucket<Process>) -> T + Sync,
) -> Vec<T> {
    let turns = Turns::new(count, seed);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|thread| {
                let (turns, run) = (turns.clone(), &run);
                let step = turns.clone();
                let process = disk.process_with(move || {
                    step.step(thread);
                    true
                });
                scope.spawn(move || {
                    let result = run(thread, Bucket::open(process, "default").unwrap());
                    turns.end(thread);
                    result
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn every_swap_that_says_done_is_in_the_history() {
    const EACH: usize = 8;
    for seed in 0..200 {
        let disk = Disk::new();
        // Each appends to what it read; a lost swap would be missing in the end, and one that was made upon something else
        // would have lost another.
        let done = interleave(&disk, seed, 3, |thread, bucket| {
            let mut done = Vec::new();
            for n in 0..EACH {
                loop {
                    let (value, base) = bucket.durable(KEY).unwrap();
                    let mine = vec![thread as u8, n as u8];
                    let mut next = value.unwrap_or_default();
                    next.extend(&mine);
                    match bucket.swap(KEY, &base, &next).unwrap() {
                        Swap::Done => break done.push(mine),
                        Swap::Refused => {}
                        Swap::Unknown => panic!("nobody is that slow here"),
                    }
                }
            }
            done
        });
        let all = bucket(&disk).get(KEY).unwrap().unwrap();
        let mut found: Vec<_> = all.chunks(2).map(<[u8]>::to_vec).collect();
        found.sort();
        assert_eq!(found, done.concat(), "seed {seed}");
    }
}

#[test]
fn numbers_are_never_given_twice() {
    for seed in 0..200 {
        let disk = Disk::new();
        let numbers = interleave(&disk, seed, 3, |_, bucket| {
            (0..8).map(|_| bucket.increment("n", 1).unwrap()).collect::<Vec<_>>()
        });
        let mut numbers = numbers.concat();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=24).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn of_those_who_begin_a_cell_one_does() {
    for seed in 0..500 {
        let disk = Disk::new();
        let answers = interleave(&disk, seed, 3, |thread, bucket| {
            let base = bucket.durable(KEY).unwrap().1;
            let begins = base == Base::Record(None);
            (begins && bucket.swap(KEY, &base, &[thread as u8]).unwrap() == Swap::Done).then_some(thread)
        });
        let winners: Vec<usize> = answers.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "seed {seed}: {winners:?}");
        assert_eq!(bucket(&disk).get(KEY), Ok(Some(vec![winners[0] as u8])));
    }
}

#[test]
fn readers_see_only_what_was_written_and_never_go_back() {
    for seed in 0..200 {
        let disk = Disk::new();
        bucket(&disk).swap(KEY, &Base::Anything, &[0]).unwrap();
        interleave(&disk, seed, 3, |thread, bucket| {
            let mut last = 0;
            for n in 1..=40 {
                if thread == 0 {
                    bucket.swap(KEY, &Base::Anything, &[n]).unwrap();
                } else {
                    let value = bucket.get(KEY).unwrap().unwrap()[0];
                    assert!(value >= last, "seed {seed}: {value} after {last}");
                    last = value;
                }
            }
        });
    }
}

/// The one case in which a number is free again: whoever is stopped between its look and its link, while others swap more
/// often than versions stay.
#[test]
fn a_swap_that_comes_after_all_others_does_not_count() {
    let mut unknown = 0;
    for others in [0u8, 1, 15, 16, 17, 18, 100] {
        for at in 0..20 {
            let disk = Disk::new();
            bucket(&disk).swap(KEY, &Base::Anything, b"base").unwrap();
            let base = bucket(&disk).current(KEY).unwrap().1;
            let (left, elsewhere) = (Mutex::new(at), disk.clone());
            let slow = disk.process_with(move || {
                let mut left = left.lock().unwrap();
                if *left == 0 {
                    (0..others).for_each(|n| _ = bucket(&elsewhere).swap(KEY, &Base::Anything, &[n]).unwrap());
                }
                *left -= 1;
                true
            });
            let answer = Bucket::open(slow, "default").unwrap().swap(KEY, &base, b"slow").unwrap();
            let value = bucket(&disk).get(KEY).unwrap().unwrap();
            match answer {
                // It was in time, and others built upon it.
                Swap::Done => {}
                Swap::Refused => assert_ne!(value, b"slow"),
                Swap::Unknown => {
                    unknown += 1;
                    assert_eq!(value, [others - 1], "others {others}, at {at}");
                }
            }
            let newest = if others == 0 { b"slow".to_vec() } else { vec![others - 1] };
            let finished_before = answer == Swap::Done && at > 0;
            assert!(value == newest || finished_before, "others {others}, at {at}: {value:?}");
            // It is not there for the next one either.
            bucket(&disk).swap(KEY, &Base::Anything, b"next").unwrap();
            assert!(disk.tree().len() <= 17, "{:?}", disk.tree());
            assert_eq!(bucket(&disk).get(KEY), Ok(Some(b"next".to_vec())));
        }
    }
    assert!(unknown > 0, "it was tried");
}
