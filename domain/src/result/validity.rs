//! Whether a text is a valid value of its VR (PS3.5 section 6.2).
//!
//! Sources hold invalid values; results must not. Nothing is repaired here: a guess about a
//! patient attribute would be worse than its absence.

use dicom_core::VR;

/// Whether one value, without padding, is valid for the VR. An empty value always is.
pub(super) fn is_valid(vr: VR, value: &str) -> bool {
    if value.is_empty() {
        return true;
    }
    match vr {
        VR::AS => is_age(value),
        VR::CS => {
            let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ' || b == b'_';
            value.len() <= 16 && value.bytes().all(allowed)
        }
        VR::DA => is_date(value),
        VR::TM => is_time(value),
        VR::DS => value.len() <= 16 && is_decimal(value.trim_matches(' ')),
        VR::IS => value.len() <= 12 && value.trim_matches(' ').parse::<i32>().is_ok(),
        VR::SH => is_line(value, 16),
        VR::LO => is_line(value, 64),
        VR::PN => is_person_name(value),
        VR::ST => is_text(value, 1024),
        VR::LT => is_text(value, 10_240),
        VR::UT | VR::UC => is_text(value, usize::MAX),
        VR::UI => is_uid(value),
        _ => false,
    }
}

fn digits(text: &str, from: usize, to: usize) -> Option<u32> {
    let part = text.get(from..to)?;
    if part.bytes().all(|b| b.is_ascii_digit()) { part.parse().ok() } else { None }
}

fn is_age(value: &str) -> bool {
    value.len() == 4 && digits(value, 0, 3).is_some() && value.ends_with(['D', 'W', 'M', 'Y'])
}

fn is_date(value: &str) -> bool {
    if value.len() != 8 {
        return false;
    }
    let (Some(year), Some(month), Some(day)) = (digits(value, 0, 4), digits(value, 4, 6), digits(value, 6, 8)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day)
}

fn is_time(value: &str) -> bool {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let in_range = |at: usize, limit: u32| match whole.len() {
        length if length <= at => true,
        _ => digits(whole, at, at + 2).is_some_and(|n| n < limit),
    };
    let fraction_ok = match value.contains('.') {
        true => whole.len() == 6 && (1..=6).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit()),
        false => true,
    };
    // 60 is a leap second.
    matches!(whole.len(), 2 | 4 | 6) && in_range(0, 24) && in_range(2, 60) && in_range(4, 61) && fraction_ok
}

fn is_decimal(value: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    value.bytes().all(allowed) && value.parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_line(value: &str, limit: usize) -> bool {
    value.chars().count() <= limit && !value.chars().any(|c| c.is_control() || c == '\\' || c == '\u{fffd}')
}

fn is_text(value: &str, limit: usize) -> bool {
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    value.chars().count() <= limit && !value.chars().any(|c| control(c) || c == '\u{fffd}')
}

fn is_person_name(value: &str) -> bool {
    let groups: Vec<&str> = value.split('=').collect();
    groups.len() <= 3 && groups.iter().all(|group| is_line(group, 64) && group.split('^').count() <= 5)
}

fn is_uid(value: &str) -> bool {
    let component = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    value.len() <= 64 && value.split('.').all(component)
}

/// A value of Timezone Offset From UTC (0008,0201) in minutes.
pub(super) fn timezone_minutes(value: &str) -> Option<i32> {
    let sign = match value.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (digits(value, 1, 3)?, digits(value, 3, 5)?);
    let total = sign * i32::try_from(hours * 60 + minutes).ok()?;
    // -0000 is not a value, and the standard's range ends at -1200 and +1400.
    let possible = value.len() == 5 && minutes < 60 && (-720..=840).contains(&total) && value != "-0000";
    possible.then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged_by_their_vr() {
        for (vr, good, bad) in [
            (VR::AS, &["081Y", "003M"][..], &["81", "81Y", "0081", "08AY"][..]),
            (VR::DA, &["20240229", "19590214"], &["1959", "20230229", "1959.02.14", "20231301", "2023-1-1"]),
            (VR::TM, &["01", "0130", "013000", "013000.123456"], &["1", "013000.", "250000", "01:30", "0130.5"]),
            (VR::CS, &["F", "HEAD_1"], &["female", "A\u{301}", "ABCDEFGHIJKLMNOPQ"]),
            (VR::DS, &["0.168", " 1e3 ", "-4"], &["inf", "1,5", "12345678901234567", "NaN"]),
            (VR::IS, &["-12", "7 "], &["1.5", "99999999999"]),
            (VR::PN, &["Yamada^Tarou=山田^太郎=やまだ", "a^b^c^d^e"], &["a=b=c=d", "a^b^c^d^e^f", "a\\b", "a\u{fffd}"]),
            (VR::LO, &["Tórax PA"], &["a\\b", "a\nb"]),
            (VR::SH, &["ACC20261124"], &["12345678901234567"]),
            (VR::UI, &["1.2.840.0.1"], &["1.02", "1..2", "a.b"]),
            (VR::OB, &[], &["x"]),
        ] {
            for value in good {
                assert!(is_valid(vr, value), "{vr} {value}");
            }
            for value in bad {
                assert!(!is_valid(vr, value), "{vr} {value}");
            }
            assert!(is_valid(vr, ""));
        }
    }

    #[test]
    fn time_zones_are_read_in_minutes() {
        assert_eq!(timezone_minutes("+0530"), Some(330));
        assert_eq!(timezone_minutes("-0300"), Some(-180));
        for bad in ["", "0100", "+1", "-0000", "+1500", "+0199", "+01:00"] {
            assert_eq!(timezone_minutes(bad), None, "{bad}");
        }
    }
}
