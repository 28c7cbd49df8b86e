//! The `dipm` program: exit code 0 for success, 1 for a run that failed, 2 for a wrong configuration or
//! command line.

use clap::Parser;
use dipm::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    let started = std::time::Instant::now();
    dipm::resources::return_large_memory();
    let cli = Cli::parse();
    dipm::logging::start(cli.verbose);
    match dipm::commands::run(cli, started) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.exit_code())
        }
    }
}
