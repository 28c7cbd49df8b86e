//! Ranks that are processes started by `mpirun` or `srun`.

use std::time::{Duration, Instant};

use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, Equivalence, Source};

use super::{Ranks, RanksError};

/// Of what a rank brings to rank 0, and of what rank 0 sends back.
const BROUGHT: i32 = 1;
const ALL: i32 = 2;
/// Numbers that are summed at a time, so that the copy that MPI needs stays small.
const CHUNK: usize = 1 << 20;
/// How long a rank asks without pause, before it pauses between two questions.
const BUSY: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_micros(200);

/// This process as part of an MPI job, which it leaves in order when this is dropped; then all others have
/// to leave it too.
pub struct MpiJob {
    // finalises MPI when it is dropped
    universe: Universe,
}

impl MpiJob {
    /// Joins the job that this process was started in.
    ///
    /// # Errors
    /// [`RanksError::Library`] when MPI is in use already.
    pub fn start() -> Result<Self, RanksError> {
        let threading = mpi::Threading::Funneled;
        let (universe, _) = mpi::initialize_with_threading(threading)
            .ok_or_else(|| RanksError::Library("MPI is in use already".to_owned()))?;
        Ok(Self { universe })
    }

    /// Number of this process, from 0.
    pub fn rank(&self) -> usize {
        number(self.universe.world().rank())
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        number(self.universe.world().size())
    }

    /// The connection to the others, for which this process waits as long as it is told.
    pub fn ranks(&self, timeout: Duration) -> MpiRanks {
        MpiRanks {
            rank: self.rank(),
            size: self.size(),
            world: self.universe.world(),
            timeout,
        }
    }

    /// Ends all processes of the job, which may be waiting for this one.
    pub fn abort(&self, code: u8) -> ! {
        self.universe.world().abort(i32::from(code))
    }
}

fn number(count: i32) -> usize {
    usize::try_from(count).expect("MPI counts from 0")
}

/// The connection of a process to the others of its [`MpiJob`].
///
/// Ranks meet at rank 0 with messages that can be waited for with a limit, which collective operations of
/// MPI cannot; so whoever is missing has a name. Sums of gradients are MPI's own.
pub struct MpiRanks {
    world: SimpleCommunicator,
    rank: usize,
    size: usize,
    timeout: Duration,
}

impl MpiRanks {
    /// Waits for a message from each of some ranks and returns them in the order given, or those ranks
    /// whose message does not come in time.
    fn receive<T: Equivalence + Clone>(
        &self,
        from: &[usize],
        tag: i32,
        limit: Duration,
    ) -> Result<Vec<Vec<T>>, Vec<usize>> {
        let start = Instant::now();
        let mut found: Vec<Option<Vec<T>>> = vec![None; from.len()];
        loop {
            for (message, &rank) in found.iter_mut().zip(from) {
                let process = self.world.process_at_rank(rank as i32);
                if message.is_none() && process.immediate_probe_with_tag(tag).is_some() {
                    *message = Some(process.receive_vec_with_tag(tag).0);
                }
            }
            if found.iter().all(Option::is_some) {
                return Ok(found.into_iter().flatten().collect());
            }
            let waited = start.elapsed();
            if waited > limit {
                let missing = found
                    .iter()
                    .zip(from)
                    .filter(|(message, _)| message.is_none());
                return Err(missing.map(|(_, rank)| *rank).collect());
            }
            match waited < BUSY {
                true => std::thread::yield_now(),
                false => std::thread::sleep(PAUSE),
            }
        }
    }

    /// What all ranks have brought to rank 0, where this is called.
    fn brought<T: Equivalence + Clone>(&self, own: Vec<T>) -> Result<Vec<Vec<T>>, RanksError> {
        let others: Vec<usize> = (1..self.size).collect();
        let received = self.receive(&others, BROUGHT, self.timeout);
        let received = received.map_err(|ranks| self.missing(ranks))?;
        Ok(std::iter::once(own).chain(received).collect())
    }

    fn missing(&self, missing: Vec<usize>) -> RanksError {
        let seconds = self.timeout.as_secs();
        RanksError::Missing { missing, seconds }
    }

    fn sum<T: Equivalence + Copy>(&mut self, values: &mut [T]) -> Result<(), RanksError> {
        // MPI would wait without limit for who is missing
        self.gather(&[])?;
        let mut sums = Vec::new();
        for chunk in values.chunks_mut(CHUNK) {
            sums.clear();
            sums.extend_from_slice(chunk);
            self.world
                .all_reduce_into(&*chunk, &mut sums[..], SystemOperation::sum());
            chunk.copy_from_slice(&sums);
        }
        Ok(())
    }
}

impl Ranks for MpiRanks {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn gather(&mut self, values: &[f64]) -> Result<Vec<Vec<f64>>, RanksError> {
        if self.rank > 0 {
            let first = self.world.process_at_rank(0);
            first.send_with_tag(values, BROUGHT);
            // rank 0 has the better message of who is missing, so it is the first to lose patience
            let received = self.receive::<f64>(&[0], ALL, 2 * self.timeout);
            let all = received.map_err(|ranks| self.missing(ranks))?.concat();
            let width = values.len();
            let of_rank = |rank: usize| all[rank * width..][..width].to_vec();
            return Ok((0..self.size).map(of_rank).collect());
        }
        let all = self.brought(values.to_vec())?;
        let message = all.concat();
        for rank in 1..self.size {
            let process = self.world.process_at_rank(rank as i32);
            process.send_with_tag(&message[..], ALL);
        }
        Ok(all)
    }

    fn bring(&mut self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, RanksError> {
        // a message of any size may wait until it is received, so rank 0 must be there
        self.gather(&[])?;
        if self.rank == 0 {
            return self.brought(bytes);
        }
        let first = self.world.process_at_rank(0);
        first.send_with_tag(&bytes[..], BROUGHT);
        Ok(Vec::new())
    }

    fn sum_f32(&mut self, values: &mut [f32]) -> Result<(), RanksError> {
        self.sum(values)
    }

    fn sum_f64(&mut self, values: &mut [f64]) -> Result<(), RanksError> {
        self.sum(values)
    }
}
