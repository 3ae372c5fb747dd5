use super::Host;

/// A host without `wasi:keyvalue/atomics`: nothing but get, set and delete.
pub struct NoAtomics;

impl Host for NoAtomics {
    fn name(&self) -> &'static str {
        "no-atomics"
    }

    fn has_atomics(&self) -> bool {
        false
    }
}
