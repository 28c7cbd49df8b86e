//! TensorBoard and Weights & Biases: where the logs of a run lie under `./logs`, and under which name.
//!
//! A run that goes on from a checkpoint keeps its directories, whose names are in `run.json` beside the
//! checkpoints, and its files are written anew from the records up to there. So a curve goes on where it
//! was, and nothing is there twice.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use dipm_train::{MetricSink, TensorBoard, TimedRecord, Wandb, WandbRun, unix_seconds};
use serde::{Deserialize, Serialize};

use crate::commands::Failure;
use crate::local_time::LocalTime;
use crate::run_config::RunConfig;

const FOLDER: &str = "logs";
const NAMES: &str = "run.json";

/// Names of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Names {
    /// When it began, in seconds since 1970.
    started: f64,
    /// Directory under that of the TensorBoard project, as in dipm 0.0.8: `Nov23_18-06-14`.
    tensorboard: String,
    /// Time in the directory of Weights & Biases: `20261123_180614`.
    wandb: String,
    /// Id of the run in Weights & Biases.
    id: String,
}

/// What a run writes beside its checkpoints.
pub struct RunLogs {
    /// Receivers of the records.
    pub sinks: Vec<Box<dyn MetricSink>>,
    /// A line for each that says where it is and how to look at it.
    pub lines: Vec<String>,
}

/// Fails now rather than after the data were read when logs cannot be written.
///
/// # Errors
/// [`Failure::Write`] with the directory.
pub fn check(config: &RunConfig) -> Result<(), Failure> {
    [&config.train.tensorboard, &config.train.wandb]
        .into_iter()
        .flatten()
        .try_for_each(|project| {
            let directory = project_directory(project);
            let trial = directory.join(format!(".trial-{}", std::process::id()));
            std::fs::create_dir_all(&directory)
                .and_then(|()| std::fs::write(&trial, []))
                .and_then(|()| std::fs::remove_file(&trial))
                .map_err(|source| Failure::write(&directory, source))
        })
}

impl RunLogs {
    /// Opens the logs that the configuration asks for, with the `history` of a run that goes on.
    ///
    /// # Errors
    /// A [`Failure`] with the path that cannot be written.
    pub fn open(
        config: &RunConfig,
        text: &str,
        is_resumed: bool,
        history: &[TimedRecord],
    ) -> Result<Self, Failure> {
        let train = &config.train;
        let output_dir = train.checkpoints.local_model_output_dir.as_deref();
        let project = train.tensorboard.as_deref().map(project_directory);
        let names = names(output_dir, is_resumed, project.as_deref())?;
        let mut logs = RunLogs {
            sinks: Vec::new(),
            lines: Vec::new(),
        };
        if let Some(project) = project {
            let directory = project.join(&names.tensorboard);
            let sink = TensorBoard::create(&directory, text, train.extended_metrics, history)?;
            logs.sinks.push(Box::new(sink));
            logs.lines.push(format!(
                "TensorBoard: {}; look at it with: tensorboard --logdir {}",
                directory.display(),
                as_argument(&project)
            ));
        }
        if let Some(project) = &train.wandb {
            let name = format!("offline-run-{}-{}", names.wandb, names.id);
            let directory = project_directory(project).join("wandb").join(name);
            let run = WandbRun {
                project: project.clone(),
                id: names.id,
                started: names.started,
                config: config.to_json(),
            };
            let sink = Wandb::create(&directory, &run, train.extended_metrics, history)?;
            logs.sinks.push(Box::new(sink));
            logs.lines.push(format!(
                "Weights & Biases: {}; upload it with: wandb sync {}",
                directory.display(),
                as_argument(&directory)
            ));
        }
        Ok(logs)
    }
}

/// `logs/<project>`; a project of TensorBoard may have parts, such as `./runs/ethanol`.
fn project_directory(project: &str) -> PathBuf {
    // without the `.` parts
    Path::new(FOLDER)
        .components()
        .chain(Path::new(project).components())
        .filter(|part| *part != std::path::Component::CurDir)
        .collect()
}

/// A path for a command line.
fn as_argument(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=".contains(c);
    match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The names of the run that goes on, or new ones, which are kept in the output directory.
fn names(
    output_dir: Option<&Path>,
    is_resumed: bool,
    tensorboard: Option<&Path>,
) -> Result<Names, Failure> {
    let file = output_dir.map(|directory| directory.join(NAMES));
    if let Some(file) = file.as_deref().filter(|file| is_resumed && file.exists()) {
        let text = std::fs::read_to_string(file).map_err(|source| Failure::write(file, source))?;
        return serde_json::from_str(&text).map_err(|error| {
            let problem = format!("{} cannot be read: {error}", file.display());
            Failure::Other(format!("{problem}; remove it to log under a new name"))
        });
    }
    let names = new_names(tensorboard)?;
    if let Some(file) = &file {
        let text = serde_json::to_string_pretty(&names).expect("names are strings and a number");
        std::fs::write(file, text + "\n").map_err(|source| Failure::write(file, source))?;
    }
    Ok(names)
}

fn new_names(tensorboard: Option<&Path>) -> Result<Names, Failure> {
    let started = unix_seconds();
    let time = LocalTime::at(started as i64);
    let name = time.as_in_tensorboard();
    let tensorboard = match tensorboard {
        Some(project) => new_directory(project, &name)?,
        None => name,
    };
    Ok(Names {
        started,
        tensorboard,
        wandb: time.as_in_wandb(),
        id: new_id(),
    })
}

/// Makes the directory `name` of a project, or `name_2` and so on where another run began in the same second.
fn new_directory(project: &Path, name: &str) -> Result<String, Failure> {
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        let path = project.join(&name);
        let made = std::fs::create_dir_all(project).and_then(|()| std::fs::create_dir(&path));
        match made {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => return Err(Failure::write(&path, error)),
            Ok(()) => return Ok(name),
        }
    }
    unreachable!("there is no last number")
}

/// Eight letters and digits from the random keys that the standard library takes from the system.
fn new_id() -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    let mut rest = hasher.finish();
    let digit = || {
        let digit = DIGITS[(rest % 36) as usize];
        rest /= 36;
        char::from(digit)
    };
    std::iter::repeat_with(digit).take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_may_be_a_relative_path() {
        assert_eq!(project_directory("acac"), Path::new("logs/acac"));
        assert_eq!(project_directory("./runs/a"), Path::new("logs/runs/a"));
    }

    #[test]
    fn names_are_kept_for_a_run_that_goes_on_and_only_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let first = names(Some(directory.path()), false, None).unwrap();
        assert_eq!(names(Some(directory.path()), true, None).unwrap(), first);
        let fresh = names(Some(directory.path()), false, None).unwrap();
        assert_ne!(fresh.id, first.id);
        assert!(first.id.len() == 8 && first.id.bytes().all(|b| b.is_ascii_alphanumeric()));
    }

    #[test]
    fn runs_of_the_same_second_have_directories_of_their_own() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "a_2", "a_3"] {
            let made = new_directory(&directory.path().join("project"), "a").unwrap();
            assert_eq!(made, name);
        }
    }
}
