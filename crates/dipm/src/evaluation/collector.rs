//! Errors of an evaluation during training, of all processes that share it.

use super::Evaluation;
use dipm_data::Batch;
use dipm_train::{Labels, Observer, Pass, Predictions, Progress, Ranks, RanksError};

/// Takes in what is predicted in a validation or a test, and brings the parts of all ranks to rank 0. All
/// ranks need one, or none.
#[derive(Debug, Default)]
pub struct Collector {
    /// Of the evaluation that goes on or was the last.
    evaluation: Option<Evaluation>,
}

impl Collector {
    /// The last evaluation, once: of all ranks on rank 0, of its own structures on others.
    pub fn take(&mut self) -> Option<Evaluation> {
        self.evaluation.take()
    }
}

impl Observer for Collector {
    fn pass_started(&mut self, progress: &Progress) {
        self.evaluation = (progress.pass != Pass::Training).then(Evaluation::default);
    }

    fn batch_evaluated(&mut self, batch: &Batch, labels: &Labels, predictions: &Predictions) {
        if let Some(evaluation) = &mut self.evaluation {
            evaluation.add_batch(batch, labels, predictions);
        }
    }

    fn evaluation_done(&mut self, ranks: &mut dyn Ranks) -> Result<(), RanksError> {
        if ranks.size() == 1 {
            return Ok(());
        }
        let unreadable = |error: postcard::Error| {
            RanksError::Library(format!("errors of an evaluation: {error}"))
        };
        let own = postcard::to_allocvec(&self.evaluation).map_err(unreadable)?;
        for others in ranks.bring(own)?.iter().skip(1) {
            let others: Option<Evaluation> = postcard::from_bytes(others).map_err(unreadable)?;
            if let (Some(evaluation), Some(others)) = (&mut self.evaluation, others) {
                evaluation.merge(others);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Marks,
        tests::{cases, evaluated},
    };
    use super::*;
    use dipm_train::ThreadRanks;
    use serde_json::Value;

    /// Numbers to nine digits, which sums in another order have in common.
    fn rounded(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, value)| (key.clone(), rounded(value)));
                Value::Object(fields.collect())
            }
            Value::Array(list) => Value::Array(list.iter().map(rounded).collect()),
            Value::Number(number) if number.is_f64() => {
                Value::String(format!("{:.8e}", number.as_f64().unwrap()))
            }
            other => other.clone(),
        }
    }

    #[test]
    fn rank_0_has_the_errors_of_all_ranks() {
        let mut cases = cases(900);
        cases[2].stress = Some([[[1.0; 3]; 3], [[f64::NAN; 3]; 3]]);
        let cases = &cases;
        let run = |mut ranks: ThreadRanks| {
            let mine = cases.iter().skip(ranks.rank()).step_by(ranks.size());
            let mut collector = Collector {
                evaluation: Some(evaluated(mine)),
            };
            collector.evaluation_done(&mut ranks).unwrap();
            collector.take().unwrap()
        };
        let merged = std::thread::scope(|scope| {
            let threads = ThreadRanks::new(3).into_iter();
            let threads: Vec<_> = threads
                .map(|ranks| scope.spawn(move || run(ranks)))
                .collect();
            let mut evaluations = threads.into_iter().map(|thread| thread.join().unwrap());
            let (first, others) = (evaluations.next(), evaluations.map(|e| e.num_structures));
            assert_eq!(others.collect::<Vec<_>>(), [300, 300]);
            first.unwrap()
        });
        let whole = evaluated(cases);
        let [found, expected] =
            [&merged, &whole].map(|e| rounded(&crate::report::tables_as_json(e)));
        assert_eq!(found, expected);
        assert_eq!(merged.stress.density.num_not_finite(), 9);
        assert!(merged.force_errors == whole.force_errors);
        let density = |e: &Evaluation| e.elements[&1].forces.density.clone();
        assert!(matches!(density(&whole).marks(), Marks::Cells(_)));
        assert!(density(&merged) == density(&whole));
    }
}
