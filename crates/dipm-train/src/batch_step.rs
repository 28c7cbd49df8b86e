//! One step of training: the gradient of a batch, or of a batch of each rank, and what happens when it is
//! not finite.

use std::path::PathBuf;

use dipm_data::{Batch, Origin};
use dipm_models::NoiseKey;

use crate::loss::{LossTerms, LossWeights};
use crate::optimizer::norm;
use crate::ranks::where_true;
use crate::record::BatchReport;
use crate::{
    BatchDump, Culprit, NonFinitePolicy, Objective, RanksError, Real, TrainError, Trainer,
};

/// Batches that are skipped in a row, at most.
const MAX_SKIPPED: u32 = 10;

/// What became of a step.
pub(crate) enum Trained {
    /// It moved the parameters, or its gradient waits for others to do so.
    Batch(BatchReport),
    /// It was not finite and left out.
    Skipped,
    /// No rank has a batch left.
    NoneLeft,
}

/// What the ranks have together for one step.
struct Shared {
    loss_terms: LossTerms,
    structures: u64,
    atoms: u64,
}

impl<T: Real, O: Objective<T>> Trainer<T, O> {
    /// Trains on a batch and counts it.
    pub(crate) fn train_or_skip(
        &mut self,
        batch: Result<Option<Batch>, TrainError>,
        weights: &LossWeights,
        num_skipped: &mut u32,
    ) -> Result<Trained, TrainError> {
        let skips = self.config.training.on_non_finite == NonFinitePolicy::Skip;
        let trained = match self.train_batch(batch, weights) {
            Ok(Some(report)) => {
                *num_skipped = 0;
                Trained::Batch(report)
            }
            Ok(None) => return Ok(Trained::NoneLeft),
            Err(error @ TrainError::NonFinite { .. }) if skips && *num_skipped < MAX_SKIPPED => {
                *num_skipped += 1;
                tracing::warn!("batch skipped: {error}");
                Trained::Skipped
            }
            Err(error) => return Err(error),
        };
        self.position.batch += 1;
        Ok(trained)
    }

    /// Gradient, update, average; `None` if no rank has a batch. Ranks without one take part.
    fn train_batch(
        &mut self,
        batch: Result<Option<Batch>, TrainError>,
        weights: &LossWeights,
    ) -> Result<Option<BatchReport>, TrainError> {
        let noise = self.noise();
        let (parameters, gradient) = (&self.parameters, &mut self.gradient);
        let computed = batch.and_then(|batch| match batch {
            None => Ok(None),
            Some(batch) => self
                .objective
                .gradient(parameters, &batch, weights, noise, gradient)
                .map(|loss_terms| Some((batch, loss_terms))),
        });
        let Some((batch, shared)) = self.share(computed)? else {
            return Ok(None);
        };
        let loss = shared.loss_terms.weighted(weights);
        let gradient_norm = norm(&self.gradient);
        for (quantity, value) in [("loss", loss), ("gradient", gradient_norm)] {
            if !value.is_finite() {
                return Err(self.non_finite((quantity, value), batch.as_ref(), weights, noise)?);
            }
        }
        let step = self
            .optimizer
            .step(&mut self.parameters, &self.gradient, &mut self.ema);
        self.learning_rate = step.learning_rate;
        Ok(Some(BatchReport {
            loss,
            loss_terms: shared.loss_terms,
            structures: shared.structures,
            atoms: shared.atoms,
            gradient_norm,
            updated: step.updated,
            seconds: 0.0,
            seconds_waited: 0.0,
        }))
    }

    /// The random numbers of the next batch: by its number among those of all ranks.
    fn noise(&self) -> NoiseKey {
        let (rank, size) = (self.ranks.rank() as u64, self.ranks.size() as u64);
        NoiseKey {
            seed: self.config.seed,
            epoch: self.position.epoch,
            batch: self.position.batch * size + rank,
        }
    }

    /// Makes the gradient that of the batches of all ranks together: the loss is a mean over structures,
    /// so that each rank counts by how many it has. `None` if there is no structure.
    fn share(
        &mut self,
        computed: Result<Option<(Batch, LossTerms)>, TrainError>,
    ) -> Result<Option<(Option<Batch>, Shared)>, TrainError> {
        let mine = computed.as_ref().ok().and_then(Option::as_ref);
        let counts = mine.map_or([0.0; 2], |(batch, _)| {
            [batch.num_structures() as f64, batch.total_atoms() as f64]
        });
        let terms = mine.map_or(LossTerms::default(), |(_, terms)| *terms);
        let failed = f64::from(u8::from(computed.is_err()));
        let numbers = [
            failed,
            counts[0],
            counts[1],
            terms.energy,
            terms.forces,
            terms.stress,
        ];
        let gathered = self.ranks.gather(&numbers);
        let batch = computed?.map(|(batch, _)| batch);
        let gathered = gathered?;
        let failed: Vec<usize> = (0..gathered.len())
            .filter(|&rank| gathered[rank][0] != 0.0)
            .collect();
        if !failed.is_empty() {
            return Err(RanksError::Failed(failed).into());
        }
        let sum = |number: usize| gathered.iter().map(|of_rank| of_rank[number]).sum::<f64>();
        let structures = sum(1);
        if structures == 0.0 {
            return Ok(None);
        }
        let mut shared = Shared {
            loss_terms: terms,
            structures: structures as u64,
            atoms: sum(2) as u64,
        };
        if self.ranks.size() > 1 {
            shared.loss_terms = LossTerms::default();
            for of_rank in gathered.iter().filter(|of_rank| of_rank[1] > 0.0) {
                let terms = LossTerms {
                    energy: of_rank[3],
                    forces: of_rank[4],
                    stress: of_rank[5],
                };
                shared
                    .loss_terms
                    .add_scaled(&terms, of_rank[1] / structures);
            }
            let share = T::from_f64(counts[0] / structures);
            match batch.is_some() {
                true => self.gradient.iter_mut().for_each(|x| *x = *x * share),
                false => self.gradient.fill(T::default()),
            }
            T::sum_over(&mut *self.ranks, &mut self.gradient)?;
        }
        Ok(Some((batch, shared)))
    }

    /// The error that names the structures of a batch, those with predictions that are not finite
    /// if there are any; of several ranks the one with such a batch names them.
    /// The batch is written beside the checkpoints.
    ///
    /// # Errors
    /// When the ranks cannot find out which of them it was.
    fn non_finite(
        &mut self,
        (quantity, value): (&'static str, f64),
        batch: Option<&Batch>,
        weights: &LossWeights,
        noise: NoiseKey,
    ) -> Result<TrainError, TrainError> {
        let mut here = true;
        let mut culprits = Vec::new();
        if self.ranks.size() > 1 {
            here = batch.is_some_and(|batch| !self.is_finite(batch, weights, noise));
            culprits = where_true(&mut *self.ranks, here)?;
            // finite on each rank, but not their sum
            here |= culprits.is_empty();
        }
        let (dump, culprit) = match batch.filter(|_| here) {
            None => (None, Culprit::Ranks(culprits)),
            Some(batch) => {
                let described = (quantity, value);
                let dump = self.keep_batch(described, batch, weights, noise);
                (dump, self.suspicious(batch))
            }
        };
        Ok(TrainError::NonFinite {
            quantity,
            value,
            epoch: self.position.epoch + 1,
            batch: noise.batch,
            culprit,
            checkpoint: self.last_checkpoint.clone(),
            dump,
        })
    }

    /// Whether loss and gradient of a batch of this rank are finite.
    fn is_finite(&mut self, batch: &Batch, weights: &LossWeights, noise: NoiseKey) -> bool {
        let (parameters, gradient) = (&self.parameters, &mut self.gradient);
        let terms = self
            .objective
            .gradient(parameters, batch, weights, noise, gradient);
        let finite_loss = terms.is_ok_and(|terms| terms.weighted(weights).is_finite());
        finite_loss && norm(&self.gradient).is_finite()
    }

    /// The structures whose predictions are not finite; the whole batch if there are none.
    fn suspicious(&mut self, batch: &Batch) -> Culprit {
        let predicted = self.objective.predict(&self.parameters, batch);
        let found = predicted.map_or_else(
            |_| Vec::new(),
            |(_, predictions)| {
                suspects(batch, |g, atoms| {
                    predictions.energies[g].is_finite()
                        && predictions.forces[atoms]
                            .as_flattened()
                            .iter()
                            .all(|x| x.is_finite())
                })
            },
        );
        match found.is_empty() {
            true => Culprit::Batch(batch.origins.clone()),
            false => Culprit::Predictions(found),
        }
    }

    /// Writes a batch into the output directory, if there is one and a model to go with it.
    fn keep_batch(
        &self,
        described: (&'static str, f64),
        batch: &Batch,
        weights: &LossWeights,
        noise: NoiseKey,
    ) -> Option<PathBuf> {
        let output = self.config.checkpoints.local_model_output_dir.as_ref()?;
        let model = self.objective.model(&self.parameters)?;
        let dump = BatchDump::new(
            self.objective.dtype(),
            described,
            &self.config.loss,
            weights,
            noise,
            batch,
        );
        let directory = dump.directory(output);
        match dump.write(&directory, &model, &self.layout, &self.parameters) {
            Ok(()) => Some(directory),
            Err(error) => {
                tracing::warn!("the batch could not be kept: {error}");
                None
            }
        }
    }
}

/// Structures of a batch that fail a test of their number and atoms.
pub(crate) fn suspects(
    batch: &Batch,
    fine: impl Fn(usize, std::ops::Range<usize>) -> bool,
) -> Vec<Origin> {
    let mut first = 0;
    let mut found = Vec::new();
    for (g, &num_atoms) in batch.num_atoms.iter().enumerate() {
        let atoms = first..first + num_atoms as usize;
        first = atoms.end;
        if !fine(g, atoms) {
            found.push(batch.origins[g].clone());
        }
    }
    found
}
