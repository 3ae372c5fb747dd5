//! The `strongroom` command.

mod cli;

use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

/// Gives memory back that a burst of requests took, where the system's own keeps it; and clears what is freed, so that
/// no value that passed through lies around in it.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> std::process::ExitCode {
    strongroom_host::open_page_map();
    keep_memory_private();
    cli::main()
}

/// Master key and values are in this process's memory: neither a core file nor another process of the same user shall
/// have it. Where the system refuses, it stays as it was.
fn keep_memory_private() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
}
