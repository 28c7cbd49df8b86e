//! From the `dataset` section to loaders.

use crate::run_config::DatasetSection;
use dipm_data::{
    Batch, BatchLimits, DataError, Dataset, DatasetInfo, DatasetOptions, Loader, LoaderOptions,
    Prepared, Shard, SpeciesTable, prepare,
};
use std::sync::Arc;

/// The datasets of a run with their statistics.
pub struct Datasets {
    /// Datasets, statistics and report.
    pub prepared: Prepared,
    /// The part of the batches that this process takes.
    pub shard: Shard,
    section: DatasetSection,
}

impl Datasets {
    /// Reads the info file if there is one, then all data once.
    ///
    /// # Errors
    /// [`DataError`] with file and structure number for whatever cannot be right.
    pub fn open(section: &DatasetSection) -> Result<Self, DataError> {
        let mut options: DatasetOptions = section.options.clone();
        if let Some(path) = &section.info_file {
            if path.exists() {
                options.info = Some(DatasetInfo::load(path)?);
                tracing::info!("statistics are those of {}", path.display());
            } else {
                tracing::warn!("{} does not exist, statistics are computed", path.display());
                // there is nothing to update
                options.update_dataset_info = false;
            }
        }
        let prepared = prepare(&options)?;
        Ok(Self {
            prepared,
            shard: Shard::default(),
            section: section.clone(),
        })
    }

    /// Looks for what is wrong in the data; the findings go into the report.
    ///
    /// # Errors
    /// Those of reading.
    pub fn check(&mut self) -> Result<(), DataError> {
        self.prepared.report.findings = dipm_data::check(&self.prepared, &self.section.options)?;
        Ok(())
    }

    /// The first batches of the first epoch, read on this thread.
    ///
    /// # Errors
    /// Those of [`Datasets::loader`] and of reading.
    pub fn first_batches(&self, count: usize) -> Result<Vec<Batch>, DataError> {
        let (dataset, mut options) = (&self.prepared.train, self.loader_options(true)?);
        (options.num_workers, options.load_into_memory) = (Some(0), false);
        options.shard = Shard::default();
        let loader = Loader::new(dataset.clone(), options)?;
        loader.epoch(0, 0).take(count).collect()
    }

    /// Most directed edges that a batch of the training set can have.
    ///
    /// # Errors
    /// [`DataError::Options`] for limits that do not fit the data.
    pub fn most_edges(&self) -> Result<u64, DataError> {
        let (dataset, options) = (&self.prepared.train, self.loader_options(true)?);
        let edges = |item| dataset.size(item).map_or(0, |(_, edges)| u64::from(edges));
        let mut sizes: Vec<u64> = (0..dataset.len()).map(edges).collect();
        sizes.sort_unstable_by_key(|edges| std::cmp::Reverse(*edges));
        let largest = sizes.iter().take(options.limits.max_structures).sum();
        let limit = options
            .limits
            .max_edges
            .map_or(u64::MAX, |edges| edges as u64);
        Ok(u64::min(largest, limit))
    }

    /// Most batches of the training set that are held in memory at a time.
    pub fn prefetched_batches(&self) -> usize {
        let batches = self.prepared.train.len() / self.section.options.batch_size.max(1) + 1;
        // one that is trained on, and one that each thread works on
        let ahead = self.section.num_batch_prefetch + 1;
        usize::min(ahead, batches)
    }

    /// Statistics of the training set.
    pub fn info(&self) -> &DatasetInfo {
        &self.prepared.info
    }

    /// A loader for one of the datasets; `shuffle` only matters for the training set.
    ///
    /// # Errors
    /// [`DataError::StructureTooLarge`] when a structure exceeds `max_n_node` or `max_n_edge` alone.
    pub fn loader(&self, dataset: &Arc<Dataset>, training: bool) -> Result<Loader, DataError> {
        Loader::new(dataset.clone(), self.loader_options(training)?)
    }

    fn loader_options(&self, training: bool) -> Result<LoaderOptions, DataError> {
        let options = &self.section.options;
        let limits = BatchLimits::from_options(
            options.batch_size,
            options.max_n_node,
            options.max_n_edge,
            &self.prepared.sizes,
        )?;
        let species = SpeciesTable::from_info(self.info());
        let mut loader = LoaderOptions::new(species, limits);
        // evaluation in file order, so that its sums do not depend on the epoch
        loader.shuffle = training && self.section.shuffle;
        loader.seed = options.seed;
        loader.num_workers = self.section.num_workers;
        loader.num_batch_prefetch = self.section.num_batch_prefetch;
        loader.load_into_memory = self.section.load_into_memory;
        loader.shard = self.shard;
        Ok(loader)
    }
}
