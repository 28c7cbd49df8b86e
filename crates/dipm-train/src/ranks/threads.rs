//! Ranks that are threads of one process.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{DEFAULT_TIMEOUT, Ranks, RanksError};

/// One of several threads that train together, for tests and programs with a device for each thread.
#[derive(Debug)]
pub struct ThreadRanks {
    rank: usize,
    timeout: Duration,
    numbers: Arc<Meeting<f64>>,
    bytes: Arc<Meeting<u8>>,
}

/// Where ranks bring lists of something.
#[derive(Debug)]
struct Meeting<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

/// What has been brought to the present meeting, and taken from the last.
#[derive(Debug)]
struct State<T> {
    /// Number of meetings that are complete.
    completed: u64,
    brought: Vec<Option<Vec<T>>>,
    /// All of the last complete meeting.
    last: Arc<Vec<Vec<T>>>,
}

impl ThreadRanks {
    /// As many as asked for, to be moved to their threads.
    pub fn new(size: usize) -> Vec<Self> {
        let (numbers, bytes) = (Meeting::new(size), Meeting::new(size));
        let rank = |rank| Self {
            rank,
            timeout: DEFAULT_TIMEOUT,
            numbers: Arc::clone(&numbers),
            bytes: Arc::clone(&bytes),
        };
        (0..size).map(rank).collect()
    }

    /// The same with another time to wait for each other.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn meet(&self, values: Vec<f64>) -> Result<Arc<Vec<Vec<f64>>>, RanksError> {
        self.numbers.meet(self.rank, values, self.timeout)
    }
}

impl<T> Meeting<T> {
    fn new(size: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                completed: 0,
                brought: (0..size).map(|_| None).collect(),
                last: Arc::default(),
            }),
            changed: Condvar::new(),
        })
    }

    /// What all ranks have brought.
    fn meet(
        &self,
        rank: usize,
        values: Vec<T>,
        timeout: Duration,
    ) -> Result<Arc<Vec<Vec<T>>>, RanksError> {
        let Self { state, changed } = self;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let number = state.completed;
        state.brought[rank] = Some(values);
        if state.brought.iter().all(Option::is_some) {
            let all = state.brought.iter_mut().map(Option::take);
            state.last = Arc::new(all.flatten().collect());
            state.completed += 1;
            changed.notify_all();
            return Ok(Arc::clone(&state.last));
        }
        let end = Instant::now() + timeout;
        while state.completed == number {
            let now = Instant::now();
            if now >= end {
                let ranks = 0..state.brought.len();
                return Err(RanksError::Missing {
                    missing: ranks.filter(|&r| state.brought[r].is_none()).collect(),
                    seconds: timeout.as_secs(),
                });
            }
            let waited = changed.wait_timeout(state, end - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        // the next meeting is not complete before this rank comes to it
        Ok(Arc::clone(&state.last))
    }
}

impl Ranks for ThreadRanks {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        let state = self.numbers.state.lock();
        state.unwrap_or_else(PoisonError::into_inner).brought.len()
    }

    fn gather(&mut self, values: &[f64]) -> Result<Vec<Vec<f64>>, RanksError> {
        Ok(self.meet(values.to_vec())?.to_vec())
    }

    fn bring(&mut self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, RanksError> {
        let all = self.bytes.meet(self.rank, bytes, self.timeout)?;
        Ok(match self.rank {
            0 => all.to_vec(),
            _ => Vec::new(),
        })
    }

    fn sum_f32(&mut self, values: &mut [f32]) -> Result<(), RanksError> {
        let all = self.meet(values.iter().map(|x| f64::from(*x)).collect())?;
        for (i, value) in values.iter_mut().enumerate() {
            *value = all.iter().map(|of_rank| of_rank[i] as f32).sum();
        }
        Ok(())
    }

    fn sum_f64(&mut self, values: &mut [f64]) -> Result<(), RanksError> {
        let all = self.meet(values.to_vec())?;
        for (i, value) in values.iter_mut().enumerate() {
            *value = all.iter().map(|of_rank| of_rank[i]).sum();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_get_what_each_brought_in_order_of_rank() {
        let run = |mut ranks: ThreadRanks| {
            let mut found = vec![];
            for round in 0..50 {
                let mine = [ranks.rank() as f64, f64::from(round)];
                found.push(ranks.gather(&mine).unwrap());
                let mut sum = [mine[0] as f32 + 1.0, mine[1] as f32];
                ranks.sum_f32(&mut sum).unwrap();
                assert_eq!(sum, [6.0, 3.0 * round as f32]);
                // as many bytes as the number of the rank
                let brought = ranks.bring(vec![round as u8; ranks.rank()]).unwrap();
                let expected = (0..3).map(|rank| vec![round as u8; rank]);
                match ranks.rank() {
                    0 => assert_eq!(brought, expected.collect::<Vec<_>>()),
                    _ => assert!(brought.is_empty()),
                }
            }
            found
        };
        std::thread::scope(|scope| {
            let threads = ThreadRanks::new(3).into_iter();
            let threads: Vec<_> = threads
                .map(|ranks| scope.spawn(move || run(ranks)))
                .collect();
            for thread in threads {
                for (round, found) in thread.join().unwrap().into_iter().enumerate() {
                    let expected = (0..3).map(|rank| vec![f64::from(rank), round as f64]);
                    assert_eq!(found, expected.collect::<Vec<_>>());
                }
            }
        });
    }

    #[test]
    fn who_does_not_come_is_named() {
        let mut ranks = ThreadRanks::new(3).into_iter();
        let mut first = ranks
            .next()
            .unwrap()
            .with_timeout(Duration::from_millis(20));
        let error = first.gather(&[1.0]).unwrap_err();
        let missing = vec![1, 2];
        assert_eq!(
            error,
            RanksError::Missing {
                missing,
                seconds: 0
            }
        );
        assert!(
            error.to_string().starts_with("rank 1 and 2 did not answer"),
            "{error}"
        );
    }
}
