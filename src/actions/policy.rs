//! What is kept of changes, and for how long: the settings that actions go by.

/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;

/// What is written into the audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditMode {
    Off,
    /// Every change.
    #[default]
    Changes,
    /// Every change, and every code and value that is given out.
    All,
}

impl AuditMode {
    /// What [`AuditMode::parse`] asks for.
    pub const RULE: &'static str = "must be off, changes or all";

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "off" => Some(Self::Off),
            "changes" => Some(Self::Changes),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// See the settings of the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Versions that are kept of a credential beside the current one; 0: none, and what is deleted is gone.
    pub history_versions: u32,
    /// Days for which they and deleted credentials are kept; 0: not at all.
    pub history_days: u32,
    pub audit: AuditMode,
    /// Most audit entries.
    pub audit_entries: u32,
    /// Days for which audit entries are kept.
    pub audit_days: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            history_versions: 10,
            history_days: 30,
            audit: AuditMode::Changes,
            audit_entries: 100_000,
            audit_days: 365,
        }
    }
}

impl Policy {
    /// Bounds of the numbers.
    pub const VERSIONS_MAX: u32 = 100;
    pub const DAYS_MAX: u32 = 36_500;
    pub const ENTRIES_MAX: u32 = 10_000_000;

    pub fn keeps_history(self) -> bool {
        self.history_versions > 0 && self.history_days > 0
    }

    pub fn history_ms(self) -> u64 {
        u64::from(self.history_days) * DAY_MS
    }

    pub fn audit_ms(self) -> u64 {
        u64::from(self.audit_days) * DAY_MS
    }
}
