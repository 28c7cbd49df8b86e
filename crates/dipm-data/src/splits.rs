//! Roles, splits and subsets.

use std::fmt;
use std::ops::Range;

use crate::error::DataError;
use crate::order::random_subset;

/// What a structure is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Gradients and statistics.
    Train,
    /// Choice of the best epoch.
    Valid,
    /// Final test.
    Test,
}

impl Role {
    /// All roles in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        })
    }
}

/// A number of structures, or a share of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// Structures.
    Count(usize),
    /// Share in [0, 1], rounded down.
    Fraction(f64),
}

/// `dataset_splits`: contiguous parts of the training files, in the order train, valid, test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Splits {
    /// Structures of each role.
    Counts([usize; 3]),
    /// Shares of each role; valid and test are rounded down, and train gets the rest when the three
    /// add to exactly 1.
    Fractions([f64; 3]),
}

impl Splits {
    /// Whether a part is for the test.
    pub fn has_test(&self) -> bool {
        match self {
            Self::Counts(counts) => counts[2] > 0,
            Self::Fractions(shares) => shares[2] > 0.0,
        }
    }

    /// Items of each role among `total`.
    ///
    /// # Errors
    /// [`DataError::Options`] when more items are asked for than there are, or a share is not in
    /// [0, 1].
    pub fn ranges(&self, total: usize) -> Result<[Range<usize>; 3], DataError> {
        let counts = match *self {
            Self::Counts(counts) => counts,
            Self::Fractions(shares) => {
                for share in shares {
                    fraction(share)?;
                }
                let part = |share: f64| (total as f64 * share) as usize;
                let (valid, test) = (part(shares[1]), part(shares[2]));
                let is_whole = shares[0] + shares[1] + shares[2] == 1.0;
                let train = if is_whole {
                    total - (valid + test)
                } else {
                    part(shares[0])
                };
                [train, valid, test]
            }
        };
        let wanted: usize = counts.iter().sum();
        if wanted > total {
            return Err(DataError::Options {
                reason: format!(
                    "`dataset_splits` asks for {} + {} + {} structures, but there are {total}",
                    counts[0], counts[1], counts[2]
                ),
            });
        }
        let valid = counts[0]..counts[0] + counts[1];
        let test = valid.end..wanted;
        Ok([0..counts[0], valid, test])
    }
}

impl Amount {
    /// Which of `len` items to load: at random (distinct, in file order) or the first ones.
    ///
    /// # Errors
    /// [`DataError::Options`] when there are fewer items, or the share is not in [0, 1].
    pub(crate) fn choose(
        self,
        len: usize,
        role: Role,
        random_subset_seed: Option<u64>,
    ) -> Result<Vec<usize>, DataError> {
        let count = match self {
            Self::Count(count) => count,
            Self::Fraction(share) => (len as f64 * fraction(share)?) as usize,
        };
        if count > len {
            return Err(DataError::Options {
                reason: format!(
                    "`{role}_num_to_load` asks for {count} structures, but there are {len}"
                ),
            });
        }
        Ok(match random_subset_seed {
            Some(seed) => random_subset(len, count, seed, role as u64),
            None => (0..count).collect(),
        })
    }
}

fn fraction(share: f64) -> Result<f64, DataError> {
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => Err(DataError::Options {
            reason: format!("{share} is not a fraction between 0 and 1"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_that_add_to_one_leave_nothing_out() {
        let ranges = Splits::Fractions([0.5, 0.25, 0.25]).ranges(7).unwrap();
        assert_eq!(ranges, [0..5, 5..6, 6..7]);
        // 0.8 + 0.1 + 0.1 is not exactly 1 in binary: train is rounded down.
        let ranges = Splits::Fractions([0.8, 0.1, 0.1]).ranges(19).unwrap();
        let expected = if 0.8 + 0.1 + 0.1 == 1.0 { 17 } else { 15 };
        assert_eq!(ranges[0].len(), expected);
    }

    #[test]
    fn counts_beyond_the_data_are_an_error() {
        assert_eq!(
            Splits::Counts([2, 1, 1]).ranges(10).unwrap(),
            [0..2, 2..3, 3..4]
        );
        let error = Splits::Counts([8, 2, 1])
            .ranges(10)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("8 + 2 + 1") && error.contains("10"),
            "{error}"
        );
        assert!(Splits::Fractions([0.9, 0.2, 0.0]).ranges(10).is_err());
        assert!(Splits::Fractions([f64::NAN, 0.2, 0.0]).ranges(10).is_err());
    }

    #[test]
    fn subsets_are_the_first_or_a_seeded_choice() {
        let first = Amount::Count(3).choose(9, Role::Train, None).unwrap();
        assert_eq!(first, [0, 1, 2]);
        let half = Amount::Fraction(0.5)
            .choose(9, Role::Train, Some(1))
            .unwrap();
        assert_eq!(half.len(), 4);
        assert_eq!(
            half,
            Amount::Fraction(0.5)
                .choose(9, Role::Train, Some(1))
                .unwrap()
        );
        assert!(Amount::Count(10).choose(9, Role::Test, None).is_err());
    }
}
