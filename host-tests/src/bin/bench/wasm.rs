//! What computes in a request: in WebAssembly, beside the same code compiled natively.

use crate::measure::{medians, micros};
use std::time::{Duration, Instant};
use strongroom::kernels::{self, NAMES};
use strongroom_host_tests::measuring::Spread;
use wasmtime::{Config, Engine, Linker, Module, Store};

const ROUNDS: u64 = 31;
/// Runs of a kernel that are measured as one.
const TIMES: u32 = 200;

/// Prints the table. Native hashes use the processor's instructions for them where it has such.
pub fn run() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/worlds/strongroom-kernels.wasm");
    // As in the host: each loop looks whether its time is over.
    let mut config = Config::new();
    config.epoch_interruption(true);
    let engine = Engine::new(&config).unwrap();
    let module = Module::from_file(&engine, file).expect("`cargo xtask bench wasm` builds the kernels");
    let mut store = Store::new(&engine, ());
    store.set_epoch_deadline(1);
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&module).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let kernel = instance.get_typed_func::<(u32, u32), u32>(&mut store, "kernel").unwrap();

    println!("\n## The same code natively and in WebAssembly\n");
    println!("| what | native | WebAssembly | ratio (lowest-highest of {ROUNDS} rounds) |\n|---|---|---|---|");
    for (number, name) in (0u32..).zip(NAMES) {
        let expected = kernels::run(number, TIMES);
        assert!(expected != 0 && kernel.call(&mut store, (number, TIMES)).unwrap() == expected, "{name}");
        let mut times = [Vec::new(), Vec::new()];
        let [native, wasm] = medians::<2>(ROUNDS, |at, _| {
            let start = Instant::now();
            match at {
                0 => _ = std::hint::black_box(kernels::run(number, TIMES)),
                _ => _ = kernel.call(&mut store, (number, TIMES)).unwrap(),
            }
            let time: Duration = start.elapsed() / TIMES;
            times[at].push(time);
            time
        });
        let ratios = times[1].iter().zip(&times[0]).map(|(wasm, native)| wasm.as_secs_f64() / native.as_secs_f64());
        println!("| {name} | {} | {} | {} |", micros(native), micros(wasm), Spread::of(ratios));
    }
}
