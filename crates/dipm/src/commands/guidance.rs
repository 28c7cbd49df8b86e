//! `dipm init`, `dipm explain` and `dipm schema`: help with writing a configuration.

use super::Failure;
use crate::cli::{ExplainArgs, InitArgs};
use crate::config;
use std::io::{ErrorKind, Write};

/// Writes a first configuration.
pub(super) fn init(args: &InitArgs) -> Result<(), Failure> {
    let path = &args.file;
    let shown = path.display();
    let text =
        config::template(&args.architecture, &shown.to_string()).map_err(Failure::CommandLine)?;
    let file = std::fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    match file {
        Ok(()) => say(&format!(
            "wrote {shown}; put in the paths of your data, then: dipm train {shown}\n"
        )),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Failure::CommandLine(format!(
                "{shown} is there already and was left as it is; name another file: dipm init {} FILE",
                args.architecture
            )))
        }
        Err(source) => Err(Failure::Write {
            path: shown.to_string(),
            source,
        }),
    }
}

/// Prints what a key means.
pub(super) fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let text = config::explain(args.key.as_deref()).map_err(Failure::CommandLine)?;
    say(&text)
}

/// Prints the JSON schema of configurations.
pub(super) fn schema() -> Result<(), Failure> {
    say(&format!("{:#}\n", config::json_schema()))
}

/// Prints to standard output; a reader that has seen enough, such as `head`, is no failure.
fn say(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Write {
            path: "standard output".to_owned(),
            source: error,
        }),
        _ => Ok(()),
    }
}
