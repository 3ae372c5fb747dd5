//! Points in time.

use alloc::string::String;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// 2020-01-01T00:00:00Z: a clock that shows less was never set.
    pub const CLOCK_SET: Timestamp = Timestamp(1_577_836_800_000);

    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// RFC 3339 in UTC; whole seconds as `2025-01-15T10:30:00Z`, others with milliseconds.
    pub fn to_rfc3339(self) -> String {
        let (days, second_of_day) = (self.seconds() / 86_400, self.seconds() % 86_400);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        let mut text = String::with_capacity(24);
        // By hand, as each answer has several of these, and formatting costs more than all else in them.
        for (before, number, width) in
            [("", year, 4), ("-", month, 2), ("-", day, 2), ("T", hour, 2), (":", minute, 2), (":", second, 2)]
        {
            text.push_str(before);
            push_padded(&mut text, number, width);
        }
        let milliseconds = self.0 % 1000;
        if milliseconds > 0 {
            text.push('.');
            push_padded(&mut text, milliseconds, 3);
        }
        text.push('Z');
        text
    }
}

/// Decimal digits with zeros before them, so many at least.
fn push_padded(text: &mut String, number: u64, width: u32) {
    if width > 1 || number > 9 {
        push_padded(text, number / 10, width.saturating_sub(1));
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

/// Year, month and day of a day number since 1970-01-01, in the proleptic Gregorian calendar: Howard Hinnant,
/// "chrono-compatible low-level date algorithms", `civil_from_days`, for days after the epoch.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_known_instants() {
        // Reference: GNU date -u -d @N +%FT%TZ.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_111_111_109, "2005-03-18T01:58:29Z"),
            (1_736_937_000, "2025-01-15T10:30:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp::from_seconds(seconds).to_rfc3339(), text);
        }
        assert_eq!(Timestamp(1_736_937_000_042).to_rfc3339(), "2025-01-15T10:30:00.042Z");
    }
}
