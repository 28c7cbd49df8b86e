//! What the process has used.

/// User and system time of all threads so far, in seconds.
pub fn cpu_seconds() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is valid for the call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(
        status, 0,
        "the process clock exists on every system that builds this program"
    );
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Largest resident memory so far, in MiB.
pub fn peak_memory_mib() -> f64 {
    // SAFETY: an all-zero rusage is a valid value, and the pointer is valid for the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    // kilobytes on Linux, bytes on macOS
    let per_mib = if cfg!(target_os = "macos") {
        1048576.0
    } else {
        1024.0
    };
    usage.ru_maxrss as f64 / per_mib
}

/// Memory that the system can still give without swapping, in MiB, where it says so.
pub fn available_memory_mib() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
