//! How values are written for people.

use std::fmt::Display;

use isthmus_mgmt_api::model::CheckStatus;

use super::output::Style;

/// A time as FRR writes it: `4.250s`, `1m05s`, `2h03m04s`, `1d02h03m`, `2w01d03h`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (whole / 60 % 60, whole / 3600 % 24, whole / 86_400);
    match whole {
        0..60 => format!("{:.3}s", seconds.max(0.0)),
        60..3600 => format!("{minutes}m{:02}s", whole % 60),
        3600..86_400 => format!("{hours}h{minutes:02}m{:02}s", whole % 60),
        86_400..604_800 => format!("{days}d{hours:02}h{minutes:02}m"),
        _ => format!("{}w{:02}d{hours:02}h", days / 7, days % 7),
    }
}

/// A number of octets: `512 B`, `2.0 KiB`, `16.0 MiB`.
pub(crate) fn octets(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

/// A value, or `-` where there is none.
pub(super) fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Values with commas, or `-` where there are none.
pub(super) fn list(values: impl IntoIterator<Item = impl Display>) -> String {
    let texts: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    if texts.is_empty() { "-".to_owned() } else { texts.join(", ") }
}

/// The word of an enumeration in the API.
pub(super) fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "?".to_owned(),
    }
}

/// A check's status: a word, green, yellow or red.
pub(super) fn status(status: CheckStatus, style: Style) -> String {
    let (text, colour) = match status {
        CheckStatus::Ok => ("ok", 32),
        CheckStatus::Warning => ("warning", 33),
        CheckStatus::Failed => ("failed", 31),
    };
    if style.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_frr_does() {
        for (seconds, text) in [
            (0.0, "0.000s"),
            (4.25, "4.250s"),
            (65.9, "1m05s"),
            (7384.0, "2h03m04s"),
            (93_780.0, "1d02h03m"),
            (1_306_800.0, "2w01d03h"),
            (-1.0, "0.000s"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn octets_have_units() {
        assert_eq!(octets(512), "512 B");
        assert_eq!(octets(2048), "2.0 KiB");
        assert_eq!(octets(16 << 20), "16.0 MiB");
        assert_eq!(octets(u64::MAX), "16.0 EiB");
    }

    #[test]
    fn colour_is_only_for_terminals() {
        assert_eq!(status(CheckStatus::Failed, Style::default()), "failed");
        let coloured = Style { colour: true, ..Style::default() };
        assert_eq!(status(CheckStatus::Ok, coloured), "\x1b[32mok\x1b[0m");
    }
}
