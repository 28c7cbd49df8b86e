//! How much memory the process occupies.

/// Resident memory now, in MiB; `None` on systems without `/proc`.
pub fn resident_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    parse(&status)
}

/// The line `VmRSS:   123456 kB`.
fn parse(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_mib() {
        let status = "VmHWM:\t    9999 kB\nVmRSS:\t    2048 kB\nThreads:\t1\n";
        assert_eq!(parse(status), Some(2.0));
        assert_eq!(parse("Threads:\t1\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn touched_memory_counts() {
        let before = resident_mib().unwrap();
        let touched = vec![1u8; 64 << 20];
        let after = resident_mib().unwrap();
        assert!(after - before > 32.0, "{before} MiB, then {after} MiB");
        drop(touched);
    }
}
