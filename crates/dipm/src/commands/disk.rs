//! What training will write, and whether there is room for it.

use crate::resources::{MIB, free_disk_mib};
use crate::run_config::RunConfig;
use dipm_data::{Finding, Severity, Subject};
use dipm_train::checkpoint::size_on_disk;
use std::path::Path;

/// The size of checkpoints and of the model, as an error where the file system of either is too full.
pub(super) fn finding(config: &RunConfig, num_parameters: usize, has_validation: bool) -> Finding {
    let section = &config.train;
    let model = (num_parameters * config.model.config.param_dtype().bytes()) as f64 / MIB;
    let Some(directory) = &section.checkpoints.local_model_output_dir else {
        return judge(
            &format!("the model file takes {}", size(model)),
            model,
            &section.save_path,
            "",
        );
    };
    let trained = section.dtype.bytes();
    let accumulates = section.optimizer.accumulates();
    let checkpoint =
        size_on_disk(num_parameters, trained, accumulates, has_validation) as f64 / MIB;
    // the oldest goes only after the newest has come, beside it there may be one from within an epoch
    let [kept, whole] = [0, 1].map(|more| {
        let most = section.checkpoints.max_checkpoints_to_keep as u64 + more;
        most.min(section.training.num_epochs)
    });
    let at_a_time = whole + u64::from(section.checkpoints.checkpoint_interval_minutes.is_some());
    // the best model also lies in a file without a name
    let best = if has_validation {
        (num_parameters * trained) as f64 / MIB
    } else {
        0.0
    };
    let all = at_a_time as f64 * checkpoint + best + model;
    let text = format!(
        "a checkpoint takes {}, {kept} {} kept; with the model and while one is written at most {}",
        size(checkpoint),
        if kept == 1 { "is" } else { "are" },
        size(all)
    );
    let there = used_mib(&directory.join("model"));
    let advice = "lower `max_checkpoints_to_keep`, put `local_model_output_dir` where there is more room, or ";
    judge(&text, all - there, directory, advice)
}

/// A note, or an error where a file system has less than is needed.
fn judge(text: &str, needed: f64, path: &Path, advice: &str) -> Finding {
    let Some(free) = free_disk_mib(path) else {
        return Finding::note(Subject::Disk, text);
    };
    let what = format!("{text}; {} are free for {}", size(free), path.display());
    if needed <= free {
        return Finding::note(Subject::Disk, what);
    }
    let advice = format!("{advice}delete there what is no longer needed");
    Finding::warning(Subject::Disk, what, advice).with_severity(Severity::Error)
}

/// MiB of the files in a directory and below; those that go away meanwhile do not count.
fn used_mib(directory: &Path) -> f64 {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return 0.0;
    };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => used_mib(&entry.path()),
        Ok(found) => found.len() as f64 / MIB,
        Err(_) => 0.0,
    };
    entries.flatten().map(size).sum()
}

/// A size as a person would say it.
fn size(mib: f64) -> String {
    match mib {
        m if m < 10.0 => format!("{m:.1} MiB"),
        m if m < 10240.0 => format!("{m:.0} MiB"),
        m => format!("{:.0} GiB", m / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_units_that_fit() {
        let shown = [0.32, 812.4, 25000.0].map(size);
        assert_eq!(shown, ["0.3 MiB", "812 MiB", "24 GiB"]);
    }

    #[test]
    fn what_is_there_is_counted_with_folders() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("3")).unwrap();
        for name in ["a", "3/b"] {
            std::fs::write(directory.path().join(name), vec![0; 1 << 19]).unwrap();
        }
        assert_eq!(used_mib(directory.path()), 1.0);
        assert_eq!(used_mib(&directory.path().join("none")), 0.0);
    }

    #[test]
    fn more_than_there_is_room_for_is_an_error_with_advice() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("not/there/yet");
        let fits = judge("it takes 1 MiB", 1.0, &path, "");
        assert_eq!(fits.severity, Severity::Note);
        assert!(fits.what.contains("are free for"), "{}", fits.what);
        let too_much = judge("it takes much", 1e15, &path, "take less, or ");
        assert_eq!(too_much.severity, Severity::Error);
        assert_eq!(
            too_much.advice,
            "take less, or delete there what is no longer needed"
        );
    }
}
