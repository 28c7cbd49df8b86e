//! The processes that a launcher such as `mpirun` or `srun` starts together, and how they join to train one
//! model.

use crate::commands::Failure;
use dipm_train::{Ranks, SingleRank};
#[cfg(feature = "mpi")]
use std::mem::ManuallyDrop;
use std::time::Duration;

/// How to get a program that trains with many processes.
const BUILD: &str = "cargo install --path crates/dipm --features mpi";
/// Seconds that ranks wait for each other.
const TIMEOUT: &str = "DIPM_RANK_TIMEOUT_SECONDS";
/// Number of processes and of this one, by launcher: Open MPI, MPICH and Intel MPI, MVAPICH, Slurm.
const VARIABLES: [[&str; 2]; 4] = [
    ["OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"],
    ["PMI_SIZE", "PMI_RANK"],
    ["MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"],
    // of the step: a batch script itself is one process, whatever the job has
    ["SLURM_STEP_NUM_TASKS", "SLURM_PROCID"],
];

/// Number of processes on this machine, by launcher; Slurm writes `2(x4)` for 2 on each of 4.
const NEIGHBORS: [&str; 3] = [
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "MPI_LOCALNRANKS",
    "SLURM_STEP_TASKS_PER_NODE",
];

/// This process among those started together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 0.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
}

/// What the launcher says; one process alone without one.
pub fn place() -> Place {
    place_in(&|name| std::env::var(name).ok())
}

fn place_in(environment: &dyn Fn(&str) -> Option<String>) -> Place {
    let number = |name| environment(name)?.parse().ok();
    let found = VARIABLES
        .iter()
        .find_map(|[size, rank]| Some((number(size)?, number(rank)?)));
    let (size, rank) = found.unwrap_or((1, 0));
    Place { rank, size }
}

/// How many of the processes started together share this machine and its memory; 1 where no launcher says.
pub fn processes_here() -> usize {
    processes_here_in(&|name| std::env::var(name).ok())
}

fn processes_here_in(environment: &dyn Fn(&str) -> Option<String>) -> usize {
    let number = |name: &&str| {
        let text = environment(name)?;
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        text[..digits].parse().ok()
    };
    NEIGHBORS
        .iter()
        .find_map(number)
        .map_or(1, |count: usize| count.max(1))
}

/// The processes that train together.
pub struct Job {
    place: Place,
    // to be left in order only after success: a process that failed must not wait for the others
    #[cfg(feature = "mpi")]
    mpi: Option<ManuallyDrop<dipm_train::ranks::MpiJob>>,
    timeout: Duration,
}

impl Job {
    /// Joins the others that the launcher has started, unless `parallel` in the configuration says
    /// otherwise; `None` is for whatever the launcher says.
    ///
    /// # Errors
    /// A sentence that says what to do, where key, launcher and program do not fit together.
    pub fn join(parallel: Option<bool>) -> Result<Self, Failure> {
        let place = place();
        check(parallel, place, cfg!(feature = "mpi")).map_err(Failure::CommandLine)?;
        let timeout = timeout(std::env::var(TIMEOUT).ok().as_deref())?;
        #[cfg(feature = "mpi")]
        let job = Self::with_mpi(place, timeout)?;
        #[cfg(not(feature = "mpi"))]
        let job = Self { place, timeout };
        Ok(job)
    }

    #[cfg(feature = "mpi")]
    fn with_mpi(place: Place, timeout: Duration) -> Result<Self, Failure> {
        if place.size == 1 {
            return Ok(Self {
                place,
                mpi: None,
                timeout,
            });
        }
        let failed = |error: dipm_train::RanksError| Failure::Other(error.to_string());
        let mpi = dipm_train::ranks::MpiJob::start().map_err(failed)?;
        let found = Place {
            rank: mpi.rank(),
            size: mpi.size(),
        };
        if found.size != place.size {
            return Err(Failure::Other(format!(
                "the launcher started {} processes, but MPI connects {}: start the program with the `mpirun` of the MPI \
                 library that it was built with, or with `srun --mpi=pmix`",
                place.size, found.size
            )));
        }
        Ok(Self {
            place: found,
            mpi: Some(ManuallyDrop::new(mpi)),
            timeout,
        })
    }

    /// This process among all.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether this process writes and prints.
    pub fn is_first(&self) -> bool {
        self.place.rank == 0
    }

    /// The connection for a training run.
    pub fn ranks(&self) -> Box<dyn Ranks> {
        #[cfg(feature = "mpi")]
        if let Some(mpi) = &self.mpi {
            return Box::new(mpi.ranks(self.timeout));
        }
        let _ = self.timeout;
        Box::new(SingleRank)
    }

    /// Leaves the others after success.
    pub fn finish(self) {
        #[cfg(feature = "mpi")]
        if let Some(mpi) = self.mpi {
            drop(ManuallyDrop::into_inner(mpi));
        }
    }

    /// Ends all processes, which may be waiting for this one, if there are others.
    pub fn abort(&self, failure: &Failure) {
        #[cfg(feature = "mpi")]
        if let Some(mpi) = &self.mpi {
            failure.print();
            mpi.abort(failure.exit_code());
        }
        let _ = failure;
    }
}

/// Whether the key, the launcher and the program fit together; the error says what to do.
fn check(parallel: Option<bool>, place: Place, has_mpi: bool) -> Result<(), String> {
    let Place { size, .. } = place;
    match (parallel, size > 1, has_mpi) {
        (Some(false), true, _) => Err(format!(
            "`parallel: false`, but {size} processes were started; start one, or leave the key out"
        )),
        (_, true, false) => Err(format!(
            "{size} processes were started, but this program was built without MPI and would train {size} times the same; \
             start one, or build it with `{BUILD}`"
        )),
        (Some(true), false, true) => Err(
            "`parallel: true`, but there is one process; start several with `mpirun -n 4 dipm train FILE`".to_owned(),
        ),
        (Some(true), false, false) => Err(format!(
            "`parallel: true`, but this program was built without MPI; build it with `{BUILD}` and start it with \
             `mpirun -n 4 dipm train FILE`; one process uses all cores without this key"
        )),
        _ => Ok(()),
    }
}

fn timeout(text: Option<&str>) -> Result<Duration, Failure> {
    let Some(text) = text else {
        return Ok(dipm_train::ranks::DEFAULT_TIMEOUT);
    };
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
    let message = || format!("{TIMEOUT} is `{text}`, expected a whole number of seconds above 0");
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| Failure::CommandLine(message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_launcher_says_who_this_is() {
        let of = |variables: &[(&str, &str)]| {
            place_in(&|name| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[]), Place { rank: 0, size: 1 });
        let open_mpi = [("OMPI_COMM_WORLD_SIZE", "4"), ("OMPI_COMM_WORLD_RANK", "3")];
        assert_eq!(of(&open_mpi), Place { rank: 3, size: 4 });
        let slurm = [("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_PROCID", "1")];
        assert_eq!(of(&slurm), Place { rank: 1, size: 2 });
        // a batch script of a job with two tasks
        let batch = [("SLURM_NTASKS", "2"), ("SLURM_PROCID", "0")];
        assert_eq!(of(&batch), Place { rank: 0, size: 1 });
    }

    #[test]
    fn the_launcher_says_how_many_share_the_machine() {
        let of = |key: &str, value: &str| {
            let variable = (key.to_owned(), value.to_owned());
            processes_here_in(&move |name| (name == variable.0).then(|| variable.1.clone()))
        };
        assert_eq!(of("HOME", "3"), 1);
        assert_eq!(of("OMPI_COMM_WORLD_LOCAL_SIZE", "2"), 2);
        assert_eq!(of("SLURM_STEP_TASKS_PER_NODE", "4(x3),2"), 4);
        assert_eq!(of("MPI_LOCALNRANKS", ""), 1);
    }

    #[test]
    fn key_launcher_and_program_must_fit() {
        let alone = Place { rank: 0, size: 1 };
        let both = Place { rank: 1, size: 2 };
        for (parallel, place, has_mpi, part) in [
            (None, alone, false, None),
            (None, alone, true, None),
            (Some(false), alone, true, None),
            (None, both, true, None),
            (Some(true), both, true, None),
            (None, both, false, Some("--features mpi")),
            (Some(true), both, false, Some("--features mpi")),
            (Some(true), alone, false, Some("--features mpi")),
            (Some(true), alone, true, Some("mpirun -n 4")),
            (Some(false), both, true, Some("leave the key out")),
            (Some(false), both, false, Some("leave the key out")),
        ] {
            let found = check(parallel, place, has_mpi);
            match (part, found) {
                (None, found) => assert_eq!(found, Ok(()), "{parallel:?} {place:?} {has_mpi}"),
                (Some(part), found) => assert!(found.unwrap_err().contains(part)),
            }
        }
    }

    #[test]
    fn the_time_to_wait_is_a_number_of_seconds() {
        assert_eq!(timeout(Some("5")).unwrap(), Duration::from_secs(5));
        for wrong in ["0", "-1", "a minute", ""] {
            assert!(timeout(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
