//! Sizes, rates and numbers as people read them and type them.

use std::time::Duration;

use indicatif::DecimalBytes;

/// A number and a noun, as in `1 file` and `2 files`. `one` is a noun whose plural ends in a mere `s`.
pub(in crate::cli) fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Bytes in decimal units, as in `99.53 MB`.
pub(in crate::cli) fn bytes(count: u64) -> String {
    DecimalBytes(count).to_string()
}

/// Bytes a second over a time, as in `12.40 MB/s`.
pub(in crate::cli) fn rate(count: u64, time: Duration) -> String {
    let milliseconds = time.as_millis().max(1);
    let a_second = u128::from(count) * 1_000 / milliseconds;
    format!("{}/s", bytes(u64::try_from(a_second).unwrap_or(u64::MAX)))
}

/// A time in its two largest units, as in `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`.
pub(in crate::cli) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{}.{} s", seconds, time.subsec_millis() / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Reads a whole number of bytes as people type it: `500K`, `20M`, `5G`, `1T` (decimal units), or plain digits.
pub(in crate::cli) fn quantity(text: &str) -> Option<u64> {
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(end) => text.split_at(end),
        None => (text, ""),
    };
    let factor = match unit.to_ascii_uppercase().as_str() {
        "" => 1,
        "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_have_the_units_that_people_use() {
        let shown = |seconds: f64| duration(Duration::from_secs_f64(seconds));
        assert_eq!(
            [shown(0.44), shown(12.9), shown(185.0), shown(7_800.0)],
            ["0.4 s", "12 s", "3 min 5 s", "2 h 10 min"]
        );
        assert_eq!(rate(25_000_000, Duration::from_secs(2)), "12.50 MB/s");
        assert_eq!(rate(1_000, Duration::ZERO), "1.00 MB/s");
    }
}
