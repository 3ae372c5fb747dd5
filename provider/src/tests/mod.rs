//! The store on a file system in memory that crashes, loses power, and runs its processes in any order.

mod crashes;
mod disk;
mod processes;
mod store;

use crate::bucket::{Base, Bucket, Swap};
use disk::{Disk, Process};

const KEY: &str = "sr1.tag.root";

fn bucket(disk: &Disk) -> Bucket<Process> {
    Bucket::open(disk.process(), "default").unwrap()
}
