//! Times as they stand in names of directories.

/// A moment in the time zone of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    year: i32,
    /// From 0.
    month: usize,
    day: i32,
    hour: i32,
    minute: i32,
    second: i32,
}

impl LocalTime {
    /// The moment `seconds` after the beginning of 1970 (UTC).
    pub fn at(seconds: i64) -> Self {
        let seconds = seconds as libc::time_t;
        // SAFETY: an all-zero tm is a valid value, and both pointers are valid for the call.
        let time = unsafe {
            let mut time: libc::tm = std::mem::zeroed();
            libc::localtime_r(&seconds, &mut time);
            time
        };
        Self {
            year: 1900 + time.tm_year,
            month: usize::try_from(time.tm_mon).expect("months count from 0"),
            day: time.tm_mday,
            hour: time.tm_hour,
            minute: time.tm_min,
            second: time.tm_sec,
        }
    }

    /// `Nov23_18-06-14`, in English whatever the language of the system.
    pub fn as_in_tensorboard(self) -> String {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let (month, day) = (MONTHS[self.month], self.day);
        let (hour, minute, second) = (self.hour, self.minute, self.second);
        format!("{month}{day:02}_{hour:02}-{minute:02}-{second:02}")
    }

    /// `20261123_180614`.
    pub fn as_in_wandb(self) -> String {
        let (month, day) = (self.month + 1, self.day);
        let (hour, minute, second) = (self.hour, self.minute, self.second);
        let date = format!("{:04}{month:02}{day:02}", self.year);
        format!("{date}_{hour:02}{minute:02}{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_programs_that_read_them_do() {
        let time = LocalTime {
            year: 2026,
            month: 10,
            day: 3,
            hour: 8,
            minute: 6,
            second: 0,
        };
        assert_eq!(time.as_in_tensorboard(), "Nov03_08-06-00");
        assert_eq!(time.as_in_wandb(), "20261103_080600");
    }

    #[test]
    fn the_middle_of_a_year_is_in_that_year() {
        // 2026-06-15 12:00:00 UTC; no time zone is further than 14 hours away
        let time = LocalTime::at(1_781_524_800);
        assert_eq!((time.year, time.month), (2026, 5));
        assert!((14..=16).contains(&time.day));
    }
}
