//! The `train` section.

use std::path::{Component, Path, PathBuf};

use dipm_train::{
    CheckpointConfig, LossConfig, LossKind, LossWeights, NonFinitePolicy, OptimizerConfig,
    TrainError, TrainingLoopConfig,
};

use super::error::{Problem, sentence};
use super::section::Values;
use super::values::Parsed;
use crate::run_config::{ComputeType, TrainSection};

const WEIGHTS: [&str; 3] = ["energy_weights", "forces_weights", "stress_weights"];

/// The section. What is missing or wrong has a placeholder, and has been reported.
pub(super) fn resolve(
    values: &Values,
    model: &Values,
    problems: &mut Vec<Problem>,
) -> TrainSection {
    values.require(&["loss", "num_epochs", "save_path"], problems);
    let number = |key| values.number(key).expect("it has a default");
    let steps = |key| values.integer(key).expect("it has a default");
    let training = TrainingLoopConfig {
        num_epochs: values.integer("num_epochs").unwrap_or(1),
        ema_decay: number("ema_decay"),
        use_ema_params_for_eval: values.is("use_ema_params_for_eval"),
        run_eval_at_start: values.is("run_eval_at_start"),
        log_interval: values.integer("log_interval"),
        on_non_finite: match values.text("on_non_finite").as_deref() {
            Some("skip") => NonFinitePolicy::Skip,
            _ => NonFinitePolicy::Stop,
        },
    };
    let accumulated = steps("num_gradient_accumulation_steps");
    let num_gradient_accumulation_steps = u32::try_from(accumulated).unwrap_or_else(|_| {
        let key = "num_gradient_accumulation_steps";
        let message = format!("`{key}` is {accumulated}");
        problems.push(
            values
                .problem(key, message)
                .label(format!("expected at most {}", u32::MAX)),
        );
        1
    });
    let optimizer = OptimizerConfig {
        apply_weight_decay_mask: values.is("apply_weight_decay_mask"),
        weight_decay: number("weight_decay"),
        grad_norm: number("grad_norm"),
        num_gradient_accumulation_steps,
        init_learning_rate: number("init_learning_rate"),
        peak_learning_rate: number("peak_learning_rate"),
        final_learning_rate: number("final_learning_rate"),
        warmup_steps: steps("warmup_steps"),
        transition_steps: steps("transition_steps"),
    };
    let checkpoints = CheckpointConfig {
        local_model_output_dir: values.text("local_model_output_dir").map(PathBuf::from),
        max_checkpoints_to_keep: values
            .count("max_checkpoints_to_keep")
            .expect("it has a default"),
        checkpoint_interval_minutes: values.number("checkpoint_interval_minutes"),
        restore_checkpoint_if_exists: values.is("restore_checkpoint_if_exists"),
        epoch_to_restore: values.integer("epoch_to_restore"),
        restore_optimizer_state: values.is("restore_optimizer_state"),
        clear_previous_checkpoints: values.is("clear_previous_checkpoints"),
    };
    for result in [
        training.validate(),
        optimizer.validate(),
        checkpoints.validate(),
    ] {
        report(result, values, problems);
    }
    let save_path = values
        .text("save_path")
        .map(PathBuf::from)
        .unwrap_or_default();
    if save_path.is_dir() {
        let message = format!("`save_path` {} is a directory", save_path.display());
        problems.push(
            values
                .problem("save_path", message)
                .label("expected the path of a file"),
        );
    }
    TrainSection {
        loss: loss(values, training.num_epochs, problems),
        stage_splits: stage_splits(values),
        training,
        optimizer,
        checkpoints,
        extended_metrics: values.is("extended_metrics"),
        report: values.is("report"),
        tensorboard: tensorboard(values, problems),
        wandb: wandb(values, problems),
        dtype: dtype(values, model, problems),
        parallel: values.boolean("parallel"),
        save_path,
    }
}

/// Puts a refusal of the training crate at its key.
fn report<T>(
    result: Result<T, TrainError>,
    values: &Values,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(TrainError::Config { key, problem }) => {
            problems.push(values.problem(key, sentence(key, &problem)));
            None
        }
        Err(other) => {
            problems.push(Problem::anywhere(other.to_string()));
            None
        }
    }
}

fn stage_splits(values: &Values) -> Vec<f64> {
    match values.get("stage_splits") {
        Some(Parsed::Numbers(splits)) => splits,
        _ => Vec::new(),
    }
}

fn loss(values: &Values, num_epochs: u64, problems: &mut Vec<Problem>) -> LossConfig {
    let kind = match values.text("loss").as_deref() {
        Some("huber") => LossKind::Huber,
        Some("l2mae") => LossKind::L2mae,
        _ => LossKind::Mse,
    };
    let lists = WEIGHTS.map(|key| match values.get(key) {
        Some(Parsed::Numbers(list)) => list,
        other => unreachable!("{key} is {other:?}"),
    });
    if values.entry("stage_splits").is_none() {
        let weights = constant_weights(values, &lists, problems);
        return report(
            LossConfig::staged(kind, &[], num_epochs, &[weights]),
            values,
            problems,
        )
        .unwrap_or_else(|| LossConfig::new(kind));
    }
    for key in ["energy_weights", "forces_weights"] {
        if values.entry(key).is_none() {
            let message = format!("`stage_splits` needs `{key}`");
            problems.push(
                values
                    .problem("stage_splits", message)
                    .label("a weight for each stage is missing"),
            );
        }
    }
    let stages = lists
        .iter()
        .map(Vec::len)
        .max()
        .expect("there are three lists");
    let before = problems.len();
    for (key, list) in WEIGHTS.iter().zip(&lists) {
        if list.len() != stages && list.len() != 1 {
            let message = format!("`{key}` has {} weights for {stages} stages", list.len());
            problems.push(
                values
                    .problem(key, message)
                    .label("expected one for each stage, or a single number"),
            );
        }
    }
    let splits = stage_splits(values);
    if problems.len() > before || splits.is_empty() {
        return LossConfig::new(kind);
    }
    let of = |list: &[f64], stage| list[if list.len() == 1 { 0 } else { stage }];
    let [energy, forces, stress] = &lists;
    let weights: Vec<LossWeights> = (0..stages)
        .map(|stage| LossWeights {
            energy: of(energy, stage),
            forces: of(forces, stage),
            stress: of(stress, stage),
        })
        .collect();
    report(
        LossConfig::staged(kind, &splits, num_epochs, &weights),
        values,
        problems,
    )
    .unwrap_or_else(|| LossConfig::new(kind))
}

/// Weights of a run without stages.
fn constant_weights(
    values: &Values,
    lists: &[Vec<f64>; 3],
    problems: &mut Vec<Problem>,
) -> LossWeights {
    for (key, list) in WEIGHTS.iter().zip(lists) {
        if list.iter().any(|weight| *weight != list[0]) {
            let message = format!("`{key}` changes, but there is no `stage_splits` that says when");
            let label = "give a single number, or add `stage_splits`";
            problems.push(values.problem(key, message).label(label));
        }
    }
    let [energy, forces, stress] = lists.each_ref().map(|list| list[0]);
    let weights = LossWeights {
        energy,
        forces,
        stress,
    };
    if energy == 0.0 && forces == 0.0 && stress == 0.0 {
        let message = "all weights of the loss are 0".to_owned();
        problems.push(
            values
                .problem("energy_weights", message)
                .label("nothing would be learned"),
        );
    }
    weights
}

/// A directory under `./logs`.
fn tensorboard(values: &Values, problems: &mut Vec<Problem>) -> Option<String> {
    let project = values.text("tensorboard")?;
    let parts: Vec<Component> = Path::new(&project).components().collect();
    let is_normal = |part: &Component| matches!(part, Component::Normal(_));
    let inside = |part: &Component| is_normal(part) || *part == Component::CurDir;
    if !(parts.iter().all(inside) && parts.iter().any(is_normal)) {
        let message = format!("`tensorboard` is `{project}`");
        let label = "expected a name, or a path under `./logs` without `..`";
        problems.push(values.problem("tensorboard", message).label(label));
    }
    Some(project)
}

/// A project as Weights & Biases takes it.
fn wandb(values: &Values, problems: &mut Vec<Problem>) -> Option<String> {
    const FORBIDDEN: &[char] = &['/', '\\', '#', '?', '%', ':'];
    const LONGEST: usize = 128;
    let project = values.text("wandb")?;
    let is_name = !matches!(project.as_str(), "." | "..");
    if !is_name || project.contains(FORBIDDEN) || project.chars().count() > LONGEST {
        let message = format!("`wandb` is `{project}`");
        let label =
            format!("expected a name of at most {LONGEST} characters without / \\ # ? % and :");
        problems.push(values.problem("wandb", message).label(label));
    }
    Some(project)
}

/// Read in both sections. A placeholder where it is in none: then it is the type of the parameters.
fn dtype(values: &Values, model: &Values, problems: &mut Vec<Problem>) -> ComputeType {
    let (here, there) = (values.text("dtype"), model.text("dtype"));
    if let (Some(here), Some(there)) = (&here, &there)
        && here != there
    {
        let message = format!("`dtype` is {here} here, but {there} in `model`");
        problems.push(
            values
                .problem("dtype", message)
                .label("remove one of the two"),
        );
    }
    match here.or(there).as_deref() {
        Some("float64") => ComputeType::F64,
        Some("bfloat16") => ComputeType::Bf16,
        Some("float16") => ComputeType::F16,
        _ => ComputeType::F32,
    }
}
