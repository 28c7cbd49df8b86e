//! Batches of a dataset, prepared ahead on background threads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use rayon::prelude::*;

use crate::batch::Batch;
use crate::batching::BatchLimits;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::graph::Graph;
use crate::order::epoch_order;
use crate::species::SpeciesTable;

/// How batches are formed and prepared.
#[derive(Debug, Clone)]
pub struct LoaderOptions {
    /// Index of the elements in the model.
    pub species: SpeciesTable,
    /// Size of a batch.
    pub limits: BatchLimits,
    /// Whether each epoch has an order of its own; else file order.
    pub shuffle: bool,
    /// Seed of the orders.
    pub seed: u64,
    /// Background threads; `None` for one a processor, 0 to load on the calling thread.
    pub num_workers: Option<usize>,
    /// Most batches prepared ahead; 0 to load on the calling thread.
    pub num_batch_prefetch: usize,
    /// Keep all graphs in memory. The order still changes from epoch to epoch.
    pub load_into_memory: bool,
    /// The part of the batches of each epoch that is loaded.
    pub shard: Shard,
}

/// One of several equal parts of the batches of an epoch: those whose number leaves the remainder `index`
/// when divided by `count`, so that each batch is in one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0 to `count` − 1.
    pub index: usize,
    /// Number of parts.
    pub count: usize,
}

impl Default for Shard {
    /// All of it.
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl LoaderOptions {
    /// The defaults of the configuration: shuffled, one thread a processor, 128 batches ahead.
    pub fn new(species: SpeciesTable, limits: BatchLimits) -> Self {
        Self {
            species,
            limits,
            shuffle: true,
            seed: 0,
            num_workers: None,
            num_batch_prefetch: 128,
            load_into_memory: false,
            shard: Shard::default(),
        }
    }
}

/// Streams the batches of a dataset, epoch by epoch.
///
/// The batches of an epoch are a pure function of dataset, options, seed and epoch number, whatever
/// the number of threads, so training can go on from any batch of any epoch.
#[derive(Debug, Clone)]
pub struct Loader {
    source: Arc<SharedSource>,
    options: LoaderOptions,
}

#[derive(Debug)]
struct SharedSource {
    dataset: Arc<Dataset>,
    species: SpeciesTable,
    graphs: Option<Vec<Graph>>,
    /// Atoms and directed edges of each item, when the limits need them.
    sizes: Option<Vec<(u32, u32)>>,
}

impl Loader {
    /// Prepares for loading; reads everything when `load_into_memory` is set.
    ///
    /// # Errors
    /// [`DataError::StructureTooLarge`] when a structure exceeds a limit alone; those of reading when
    /// `load_into_memory` is set or the dataset was not scanned and the limits need sizes.
    pub fn new(dataset: Arc<Dataset>, options: LoaderOptions) -> Result<Self, DataError> {
        let all = 0..dataset.len();
        let needs_sizes = options.limits.max_atoms.is_some() || options.limits.max_edges.is_some();
        let graphs: Option<Vec<Graph>> = match options.load_into_memory {
            true => Some(
                all.clone()
                    .into_par_iter()
                    .map(|i| dataset.graph(i))
                    .collect::<Result<_, _>>()?,
            ),
            false => None,
        };
        let size = |g: &Graph| (g.num_atoms() as u32, g.num_edges() as u32);
        let sizes = match (&dataset.sizes, &graphs, needs_sizes) {
            (_, _, false) => None,
            (Some(sizes), ..) => Some(sizes.clone()),
            (None, Some(graphs), _) => Some(graphs.iter().map(size).collect()),
            (None, None, true) => {
                let read = |i: usize| dataset.graph(i).map(|g| size(&g));
                Some(all.into_par_iter().map(read).collect::<Result<_, _>>()?)
            }
        };
        for (item, size) in sizes.iter().flatten().enumerate() {
            check_size(&dataset, &options.limits, item, *size)?;
        }
        let source = SharedSource {
            dataset,
            species: options.species.clone(),
            graphs,
            sizes,
        };
        Ok(Self {
            source: Arc::new(source),
            options,
        })
    }

    /// The dataset.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.source.dataset
    }

    /// Number of batches in an epoch (with limits on atoms or edges it depends on the order). Of several
    /// shards this is that of the largest, which the first is one of.
    pub fn num_batches(&self, epoch: u64) -> usize {
        self.plan(epoch).1.len().div_ceil(self.options.shard.count)
    }

    /// Streams the batches of the shard in an epoch from its number `start_batch` on.
    pub fn epoch(&self, epoch: u64, start_batch: usize) -> BatchStream {
        let (order, batches) = self.plan(epoch);
        let Shard { index, count } = self.options.shard;
        let batches: Vec<_> = batches.into_iter().skip(index).step_by(count).collect();
        let start = start_batch.min(batches.len());
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = self.options.num_workers.unwrap_or_else(processors);
        let workers = workers.min(batches.len() - start);
        let work = Arc::new(Work {
            source: Arc::clone(&self.source),
            order,
            batches,
            capacity: self.options.num_batch_prefetch,
            state: Mutex::new(State {
                next: start,
                consumed: start,
                stopped: false,
                ready: BTreeMap::new(),
            }),
            changed: Condvar::new(),
        });
        let is_ahead = workers > 0 && self.options.num_batch_prefetch > 0;
        let spawn = |_| {
            let work = Arc::clone(&work);
            std::thread::Builder::new()
                .name("dipm-loader".to_owned())
                .spawn(move || work.run())
        };
        // Where no thread can be started, batches are built by the consumer.
        let count = if is_ahead { workers } else { 0 };
        let threads = (0..count).map_while(|i| spawn(i).ok()).collect();
        BatchStream {
            work,
            threads,
            position: start,
            seconds_waited: 0.0,
            has_failed: false,
        }
    }

    /// Order of the items and the cut into batches.
    fn plan(&self, epoch: u64) -> (Vec<u32>, Vec<Range<usize>>) {
        let len = self.source.dataset.len();
        let order = match self.options.shuffle {
            true => epoch_order(len, self.options.seed, epoch),
            false => (0..len as u32).collect(),
        };
        let size = |i: &u32| {
            self.source
                .sizes
                .as_ref()
                .map_or((0, 0), |s| s[*i as usize])
        };
        let batches = self.options.limits.plan(order.iter().map(size));
        (
            order,
            batches.expect("Loader::new checked every structure against the limits"),
        )
    }
}

fn check_size(
    dataset: &Dataset,
    limits: &BatchLimits,
    item: usize,
    (atoms, edges): (u32, u32),
) -> Result<(), DataError> {
    let too_large = |what, found: u32, limit, option| {
        Err(DataError::StructureTooLarge {
            origin: dataset.origin(item),
            what,
            found: found as usize,
            limit,
            option,
        })
    };
    match (limits.max_atoms, limits.max_edges) {
        (Some(limit), _) if atoms as usize > limit => {
            too_large("atoms", atoms, limit, "max_n_node")
        }
        (_, Some(limit)) if edges as usize > limit => {
            too_large("edges", edges, limit, "max_n_edge")
        }
        _ => Ok(()),
    }
}

/// The work of one epoch, shared by the threads and the consumer.
#[derive(Debug)]
struct Work {
    source: Arc<SharedSource>,
    order: Vec<u32>,
    batches: Vec<Range<usize>>,
    /// Most batches built and not yet consumed.
    capacity: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Batch that the next free thread builds.
    next: usize,
    consumed: usize,
    stopped: bool,
    ready: BTreeMap<usize, Result<Batch, DataError>>,
}

impl Work {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and the state is valid at every step.
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Builds batches until there are no more or the consumer stops.
    fn run(&self) {
        loop {
            let mut state = self.lock();
            while !state.stopped
                && state.next < self.batches.len()
                && state.next >= state.consumed + self.capacity
            {
                state = self.changed.wait(state).unwrap_or_else(|p| p.into_inner());
            }
            if state.stopped || state.next >= self.batches.len() {
                return;
            }
            let number = state.next;
            state.next += 1;
            drop(state);
            let batch = self.build(number);
            self.lock().ready.insert(number, batch);
            self.changed.notify_all();
        }
    }

    /// Reads and concatenates one batch; a panic becomes an error, so that nobody waits for ever.
    fn build(&self, number: usize) -> Result<Batch, DataError> {
        let built = catch_unwind(AssertUnwindSafe(|| {
            let items = &self.order[self.batches[number].clone()];
            let items = items.iter().map(|i| *i as usize);
            let source = &self.source;
            match &source.graphs {
                Some(graphs) => {
                    let chosen: Vec<&Graph> = items.map(|i| &graphs[i]).collect();
                    Batch::new(&chosen, &source.species)
                }
                None => {
                    let read: Result<Vec<Graph>, _> =
                        items.map(|i| source.dataset.graph(i)).collect();
                    Batch::new(&read?, &source.species)
                }
            }
        }));
        built.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(DataError::Worker {
                reason: text.unwrap_or("unknown panic").to_owned(),
            })
        })
    }

    /// Waits for one batch.
    fn take(&self, number: usize) -> Result<Batch, DataError> {
        let mut state = self.lock();
        let batch = loop {
            if let Some(batch) = state.ready.remove(&number) {
                break batch;
            }
            state = self.changed.wait(state).unwrap_or_else(|p| p.into_inner());
        };
        state.consumed = number + 1;
        drop(state);
        self.changed.notify_all();
        batch
    }
}

/// The batches of one epoch in order. After an error it ends; dropping it stops the threads.
#[derive(Debug)]
pub struct BatchStream {
    work: Arc<Work>,
    threads: Vec<JoinHandle<()>>,
    position: usize,
    seconds_waited: f64,
    has_failed: bool,
}

impl BatchStream {
    /// Seconds that the consumer spent waiting for batches so far.
    pub fn seconds_waited(&self) -> f64 {
        self.seconds_waited
    }

    /// Number of the next batch within the epoch.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Number of batches of the whole epoch.
    pub fn num_batches(&self) -> usize {
        self.work.batches.len()
    }
}

impl Iterator for BatchStream {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed || self.position >= self.num_batches() {
            return None;
        }
        let start = Instant::now();
        let batch = match self.threads.is_empty() {
            true => self.work.build(self.position),
            false => self.work.take(self.position),
        };
        self.seconds_waited += start.elapsed().as_secs_f64();
        self.position += 1;
        self.has_failed = batch.is_err();
        Some(batch)
    }
}

impl Drop for BatchStream {
    fn drop(&mut self) {
        self.work.lock().stopped = true;
        self.work.changed.notify_all();
        for thread in self.threads.drain(..) {
            // `run` cannot panic: building a batch catches panics.
            let _ = thread.join();
        }
    }
}
