//! What the process has used, and what is left for it.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes of a MiB.
pub const MIB: f64 = 1048576.0;

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
        MIB
    } else {
        1024.0
    };
    usage.ru_maxrss as f64 / per_mib
}

/// Makes large blocks of memory go back to the system as soon as they are freed. glibc keeps those of up to 32 MiB
/// once it has seen such blocks come and go, and then a block that has to grow leaves a hole of its old size: runs took
/// up to twice the memory that they had use for.
pub fn return_large_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const LARGE: libc::c_int = 4 << 20;
        // SAFETY: it sets a number of the allocator, before other threads are started.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
    }
}

/// Memory that this process can still take, in MiB, where the system says so: without swapping, within the
/// limit of its control group (a container, a job of a cluster), and within `ulimit -v`. Processes that train together
/// on one machine get equal parts.
pub fn available_memory_mib() -> Option<f64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let of_system = read("/proc/meminfo").and_then(|text| kib(&text, "MemAvailable:"));
    let group = read("/proc/self/cgroup").and_then(|text| of_group(&text, &read));
    let size = read("/proc/self/status").and_then(|text| kib(&text, "VmSize:"));
    let address_space = address_space_mib()
        .zip(size)
        .map(|(limit, size)| limit - size);
    let shares = crate::launcher::processes_here() as f64;
    let [of_system, group] = [of_system, group].map(|shared| Some(shared? / shares));
    let limits = [of_system, group, address_space].into_iter().flatten();
    limits.map(|mib| mib.max(0.0)).min_by(f64::total_cmp)
}

/// What this user can still write to the file system of a path, or of the nearest directory above it that
/// is there, in MiB; `None` where the system does not say.
pub fn free_disk_mib(path: &Path) -> Option<f64> {
    let path = std::path::absolute(path).ok()?;
    let directory = path.ancestors().find(|path| path.is_dir())?;
    let name = CString::new(directory.as_os_str().as_bytes()).ok()?;
    // SAFETY: an all-zero statvfs is a valid value, and both pointers are valid for the call.
    let (status, found) = unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        let status = libc::statvfs(name.as_ptr(), &mut found);
        (status, found)
    };
    (status == 0).then(|| found.f_bavail as f64 * found.f_frsize as f64 / MIB)
}

/// The number of a line `NAME 123 kB`, in MiB.
fn kib(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

/// What the control group (version 2) of a process leaves; `text` is that of `/proc/self/cgroup`. Pages of files
/// that the group holds can be given up, and count as left.
fn of_group(text: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<f64> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let folder = format!("/sys/fs/cgroup{}", path.trim_end_matches('/'));
    let number = |name: &str| {
        read(&format!("{folder}/{name}"))?
            .trim()
            .parse::<f64>()
            .ok()
    };
    let files = read(&format!("{folder}/memory.stat")).and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("inactive_file "))?;
        line.trim().parse::<f64>().ok()
    });
    let used = number("memory.current")? - files.unwrap_or(0.0);
    Some((number("memory.max")? - used) / MIB)
}

/// `ulimit -v`, in MiB; `None` without a limit.
fn address_space_mib() -> Option<f64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is valid for the call.
    let status = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) };
    (status == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur as f64 / MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_leaves_its_limit_less_what_it_holds() {
        let files = |path: &str| {
            let text = match path {
                "/sys/fs/cgroup/job/memory.max" => "1073741824\n",
                "/sys/fs/cgroup/job/memory.current" => "629145600\n",
                "/sys/fs/cgroup/job/memory.stat" => "anon 5\ninactive_file 104857600\n",
                "/sys/fs/cgroup/free/memory.max" => "max\n",
                "/sys/fs/cgroup/free/memory.current" => "629145600\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        assert_eq!(of_group("0::/job\n", &files), Some(524.0));
        assert_eq!(of_group("0::/free\n", &files), None);
        assert_eq!(of_group("4:memory:/job\n", &files), None);
    }

    #[test]
    fn there_is_memory_left() {
        if cfg!(target_os = "linux") {
            assert!(available_memory_mib().unwrap() > 1.0);
        }
    }
}
