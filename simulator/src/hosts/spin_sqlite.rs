use super::Host;

/// Spin's default store: a swap from absent overwrites what came in between, and both creators are told "stored".
pub struct SpinSqlite;

impl Host for SpinSqlite {
    fn name(&self) -> &'static str {
        "spin-sqlite"
    }

    fn overwrites_absent(&self) -> bool {
        true
    }
}
