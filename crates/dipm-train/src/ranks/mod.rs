//! Processes that train one model together: what they tell each other, and nothing of how.
//!
//! Each rank holds the whole state of a run and takes every `size`-th batch. The gradient is summed over
//! ranks before each update, so that all of them make the same update; see `docs/parallel.md`.

#[cfg(feature = "mpi")]
mod mpi;
mod threads;

#[cfg(feature = "mpi")]
pub use mpi::{MpiJob, MpiRanks};
pub use threads::ThreadRanks;

use std::time::Duration;

use crate::TrainError;

/// How long ranks wait for each other unless told otherwise: longer than a checkpoint or an unevenly
/// shared evaluation takes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// Why ranks cannot go on together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RanksError {
    /// Some have not come to where the others wait.
    #[error(
        "rank {} did not answer within {seconds} s; look at what it printed last, or let ranks wait longer with \
         DIPM_RANK_TIMEOUT_SECONDS",
        numbers(.missing)
    )]
    Missing {
        /// The ranks, ascending.
        missing: Vec<usize>,
        /// How long the others waited.
        seconds: u64,
    },
    /// Another rank cannot go on; its own error says why.
    #[error("rank {} failed, and said why", numbers(.0))]
    Failed(Vec<usize>),
    /// The parameters of a rank are not those of rank 0.
    #[error(
        "after epoch {epoch} the parameters of rank {} differ from those of rank 0; ranks need the same program, processors \
         with the same instructions, and the same data and configuration",
        numbers(.ranks)
    )]
    Diverged {
        /// The ranks, ascending.
        ranks: Vec<usize>,
        /// Epochs completed.
        epoch: u64,
    },
    /// The library that connects them failed.
    #[error("{0}")]
    Library(String),
}

/// `1` or `1, 2 and 5`
pub(crate) fn numbers(ranks: &[usize]) -> String {
    let texts: Vec<String> = ranks.iter().map(usize::to_string).collect();
    match texts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => texts.concat(),
    }
}

/// A rank's view of all ranks. Every method but the first two must be called by all of them, in the same
/// order; all get the same bits.
pub trait Ranks {
    /// Number of this rank, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// The numbers of every rank, by rank; all pass equally many, and few.
    ///
    /// # Errors
    /// [`RanksError::Missing`] when some do not come in time.
    fn gather(&mut self, values: &[f64]) -> Result<Vec<Vec<f64>>, RanksError>;

    /// What every rank brings, by rank, for rank 0; nothing for the others. Lengths may differ.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    fn bring(&mut self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, RanksError>;

    /// Replaces each number by its sum over ranks.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    fn sum_f32(&mut self, values: &mut [f32]) -> Result<(), RanksError>;

    /// Replaces each number by its sum over ranks.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    fn sum_f64(&mut self, values: &mut [f64]) -> Result<(), RanksError>;
}

/// One process alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct SingleRank;

impl Ranks for SingleRank {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn gather(&mut self, values: &[f64]) -> Result<Vec<Vec<f64>>, RanksError> {
        Ok(vec![values.to_vec()])
    }

    fn bring(&mut self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, RanksError> {
        Ok(vec![bytes])
    }

    fn sum_f32(&mut self, _: &mut [f32]) -> Result<(), RanksError> {
        Ok(())
    }

    fn sum_f64(&mut self, _: &mut [f64]) -> Result<(), RanksError> {
        Ok(())
    }
}

/// Sums over ranks, in order of rank.
pub(crate) fn sums(ranks: &mut dyn Ranks, values: &[f64]) -> Result<Vec<f64>, RanksError> {
    let mut gathered = ranks.gather(values)?.into_iter();
    let first = gathered.next().expect("there is a rank");
    Ok(gathered.fold(first, |sums, values| {
        sums.iter().zip(values).map(|(a, b)| a + b).collect()
    }))
}

/// Ranks for which something holds, ascending.
pub(crate) fn where_true(ranks: &mut dyn Ranks, holds: bool) -> Result<Vec<usize>, RanksError> {
    let gathered = ranks.gather(&[f64::from(u8::from(holds))])?;
    Ok((0..gathered.len())
        .filter(|&r| gathered[r][0] != 0.0)
        .collect())
}

/// A result that all ranks share the failure of: a rank that succeeded fails because another one did,
/// instead of waiting for it.
pub(crate) fn together<R>(
    ranks: &mut dyn Ranks,
    result: Result<R, TrainError>,
) -> Result<R, TrainError> {
    let failed = where_true(ranks, result.is_err());
    let value = result?; // its own reason counts for more
    let failed = failed?;
    match failed.is_empty() {
        true => Ok(value),
        false => Err(RanksError::Failed(failed).into()),
    }
}
