//! What a wasm build without std must bring along. Without std the component imports nothing but what it uses: no
//! environment, no standard output, no exit.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, UnsafeCell};
use dlmalloc::Dlmalloc;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

static HEAP: Heap = Heap(UnsafeCell::new(Dlmalloc::new_with_allocator(Memory { has_begun: Cell::new(false) })));

// Where what the linker has placed in the linear memory ends, and where the memory ends that an instance begins with.
unsafe extern "C" {
    static __heap_base: u8;
    static __heap_end: u8;
}

const PAGE_BYTES: usize = 64 << 10;

struct Allocator;

struct Heap(UnsafeCell<Dlmalloc<Memory>>);

// SAFETY: an instance has one thread.
unsafe impl Sync for Heap {}

// SAFETY: dlmalloc keeps the contract; a call of it never comes back here, so there is one reference at a time. Where they
// are called they would be 20 KB.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { (*HEAP.0.get()).malloc(layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { (*HEAP.0.get()).free(at, layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { (*HEAP.0.get()).calloc(layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { (*HEAP.0.get()).realloc(at, layout.size(), layout.align(), size) }
    }
}

/// Linear memory: first what an instance begins with, which is enough for most requests. To grow costs system calls of the
/// host, in each instance anew.
struct Memory {
    has_begun: Cell<bool>,
}

// SAFETY: what it gives out is given once, and nobody else's.
unsafe impl dlmalloc::Allocator for Memory {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let (base, end) = (&raw const __heap_base, &raw const __heap_end);
        let first = (end as usize).saturating_sub(base as usize);
        if !self.has_begun.replace(true) && first >= size {
            return (base.cast_mut(), first, 0);
        }
        let pages = size.div_ceil(PAGE_BYTES);
        match core::arch::wasm32::memory_grow(0, pages) {
            usize::MAX => (core::ptr::null_mut(), 0, 0),
            page => ((page * PAGE_BYTES) as *mut u8, pages * PAGE_BYTES, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        core::ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE_BYTES
    }
}

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
