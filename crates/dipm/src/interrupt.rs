//! Ctrl-C and SIGTERM: the first asks the run to stop after its batch, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};

// A signal handler can reach nothing but statics.
static REQUESTED: AtomicBool = AtomicBool::new(false);

extern "C" fn request(signal: libc::c_int) {
    if REQUESTED.swap(true, Ordering::Relaxed) {
        // SAFETY: signal and raise may be called in a handler; the default action ends the process.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
}

/// Catches SIGINT and SIGTERM from now on.
pub fn watch() {
    let handler = request as *const () as libc::sighandler_t;
    // SAFETY: the handler only touches an atomic and calls functions that are safe in handlers.
    unsafe {
        libc::signal(libc::SIGINT, handler);
        libc::signal(libc::SIGTERM, handler);
    }
}

/// Whether a signal has asked the run to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
