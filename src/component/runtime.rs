//! What a wasm build without std must bring along. Without std the component imports nothing but what it uses: no
//! environment, no standard output, no exit.

use core::alloc::Layout;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A panic is a fault of ours; it traps, and the host answers for the component. The message is dropped: it could hold
/// anything.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

// `compiler_builtins` brings no `memcmp` on this target.
#[link(name = "c")]
unsafe extern "C" {}

/// The allocation function of the canonical ABI: the host calls it to place arguments and results.
///
/// # Safety
///
/// The host passes what an earlier call returned, or a null pointer with length 0.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_length: usize, align: usize, new_length: usize) -> *mut u8 {
    // SAFETY: layouts follow the canonical ABI: `align` is a power of two, lengths are below 4 GiB. A length of 0 is
    // never read through, so any aligned address serves.
    unsafe {
        if new_length == 0 {
            return align as *mut u8;
        }
        let placed = if old_length == 0 {
            alloc::alloc::alloc(Layout::from_size_align_unchecked(new_length, align))
        } else {
            alloc::alloc::realloc(old, Layout::from_size_align_unchecked(old_length, align), new_length)
        };
        if placed.is_null() { core::arch::wasm32::unreachable() } else { placed }
    }
}
