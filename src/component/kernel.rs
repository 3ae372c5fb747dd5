//! The way into [`crate::kernels`]: for measurements only.

#[unsafe(no_mangle)]
extern "C" fn kernel(number: u32, times: u32) -> u32 {
    crate::kernels::run(number, times)
}
