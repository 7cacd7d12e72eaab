//! What the clock on the wall shows: the local time of this machine, from TZ or /etc/localtime, with its changes to and
//! from summer time. Whoever asks brings the time; nothing here reads the clock.

use centinela_domain::UnixMs;
use chrono::{DateTime, FixedOffset, Local, TimeZone as _, Timelike as _};

/// The local time; UTC for a time that no calendar has.
fn local(at: UnixMs) -> DateTime<FixedOffset> {
    Local.timestamp_millis_opt(at).single().map_or_else(DateTime::default, |local| local.fixed_offset())
}

/// Minutes since midnight.
#[must_use]
pub fn minute_of_day(at: UnixMs) -> u16 {
    let local = local(at);
    u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0)
}

/// `03:00 (UTC+01:00)`.
#[must_use]
pub fn time_of_day(at: UnixMs) -> String {
    local(at).format("%H:%M (UTC%:z)").to_string()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use centinela_domain::delivery::hours::{Rest, resting_until};
    use std::process::Command;

    const CHILD: &str = "CENTINELA_TEST_WALL";

    /// The zone of a process is set by its environment: the test starts itself once more for each zone.
    #[test]
    fn a_zone_and_its_summer_time_are_those_of_the_machine() {
        // 2026-03-29T00:30:00Z, half an hour before summer time in Europe; 2026-10-25T00:30:00Z, before it ends.
        let (spring, autumn) = (1_774_744_200_000, 1_792_888_200_000);
        let hours = |n: i64| n * 3_600_000;
        let Ok(zone) = std::env::var(CHILD) else {
            for zone in ["UTC", "CET-1CEST,M3.5.0,M10.5.0/3", "<+0545>-5:45"] {
                let name = "wall::tests::a_zone_and_its_summer_time_are_those_of_the_machine";
                let me = std::env::current_exe().unwrap();
                let done = Command::new(me).args([name, "--exact"]).env("TZ", zone).env(CHILD, zone).output().unwrap();
                let said = String::from_utf8_lossy(&done.stdout);
                assert!(done.status.success() && said.contains("1 passed"), "{zone}: {said}");
            }
            return;
        };
        let minutes = |from: i64| [0, 1, 2].map(|n| minute_of_day(from + hours(n)));
        let night: Vec<Rest> = vec!["01:00-03:30".parse().unwrap()];
        let rest = |from: i64| resting_until(&night, from, minute_of_day).map(|until| until - from);
        match zone.as_str() {
            "UTC" => {
                assert_eq!(minutes(spring), [30, 90, 150]);
                assert_eq!(time_of_day(spring), "00:30 (UTC+00:00)");
                assert_eq!(rest(spring), None);
            }
            "<+0545>-5:45" => {
                assert_eq!(minutes(spring), [375, 435, 495]);
                assert_eq!(time_of_day(spring), "06:15 (UTC+05:45)");
            }
            _ => {
                // 01:30, 03:30, 04:30: the hour from 02:00 to 03:00 is missing, and the rest is an hour shorter.
                assert_eq!(minutes(spring), [90, 210, 270]);
                assert_eq!(rest(spring), Some(hours(1)));
                assert_eq!(time_of_day(spring + hours(1)), "03:30 (UTC+02:00)");
                // 02:30, 02:30 again, 03:30: the rest is an hour longer.
                assert_eq!(minutes(autumn), [150, 150, 210]);
                assert_eq!(rest(autumn), Some(hours(2)));
            }
        }
    }
}
