//! The program as a user starts it.

use std::path::Path;
use std::process::Command;

/// A command in a folder, with messages without colours.
pub fn dipm(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dipm"));
    command
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1");
    command
}
