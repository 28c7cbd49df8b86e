//! Keys of `train`.

use super::keys_model::DTYPE;
use super::schema::{COUNT, Key, Kind, NOT_NEGATIVE, POSITIVE, PROPORTION, Support, WHOLE, key};

const LOSS: Kind = Kind::Word {
    words: &["mse", "huber", "l2mae"],
    also: &[
        ("mse_loss", "mse"),
        ("huber_loss", "huber"),
        ("l2mae_loss", "l2mae"),
    ],
};

/// The table.
pub(super) const KEYS: &[Key] = &[
    key(
        "loss",
        LOSS,
        "required",
        "",
        "What is minimised; `MSELoss`, `huber_loss` and the like are read too.",
    ),
    key(
        "save_path",
        Kind::Path,
        "required",
        "",
        "Where the best model is written, as `.safetensors`.",
    ),
    key(
        "num_epochs",
        COUNT,
        "required",
        "epochs",
        "Passes over the training data; a restored run continues up to this.",
    ),
    key(
        "energy_weights",
        Kind::Weights,
        "1.0",
        "",
        "Weight of the energy in the loss, or one for each stage. Required with `stage_splits`.",
    ),
    key(
        "forces_weights",
        Kind::Weights,
        "25.0",
        "",
        "Weight of the forces in the loss, or one for each stage. Required with `stage_splits`.",
    ),
    key(
        "stress_weights",
        Kind::Weights,
        "0.0",
        "",
        "Weight of the stress in the loss, or one for each stage. Above 0, every structure needs a stress. Not in \
         0.0.8.",
    ),
    key(
        "stage_splits",
        Kind::Fractions,
        "null",
        "of `num_epochs`",
        "Length of each stage of weights as a fraction of the epochs; the last may be left out.",
    ),
    key(
        "init_learning_rate",
        POSITIVE,
        "0.01",
        "",
        "Learning rate of the first batch.",
    ),
    key(
        "peak_learning_rate",
        POSITIVE,
        "0.01",
        "",
        "Learning rate after `warmup_steps`.",
    ),
    key(
        "final_learning_rate",
        POSITIVE,
        "0.01",
        "",
        "Learning rate after the `transition_steps` that follow.",
    ),
    key(
        "warmup_steps",
        WHOLE,
        "4000",
        "batches",
        "Linear rise to the peak.",
    ),
    key(
        "transition_steps",
        WHOLE,
        "360000",
        "batches",
        "Linear change to the final rate; 0 keeps the peak.",
    ),
    key(
        "weight_decay",
        NOT_NEGATIVE,
        "0.0",
        "",
        "λ of the term λ·p added to the gradient before clipping.",
    ),
    key(
        "apply_weight_decay_mask",
        Kind::Bool,
        "true",
        "",
        "Decay only linear layers before the messages, if the model has such.",
    ),
    key(
        "grad_norm",
        NOT_NEGATIVE,
        "500.0",
        "",
        "Longer gradients are shortened to this norm.",
    ),
    key(
        "num_gradient_accumulation_steps",
        COUNT,
        "1",
        "batches",
        "Batches whose mean gradient makes one step.",
    ),
    key(
        "ema_decay",
        PROPORTION,
        "0.99",
        "",
        "Weight of the past in the running average of the parameters.",
    ),
    key(
        "use_ema_params_for_eval",
        Kind::Bool,
        "true",
        "",
        "Evaluate, choose and save averaged parameters instead of the current ones.",
    ),
    key(
        "run_eval_at_start",
        Kind::Bool,
        "true",
        "",
        "Evaluate the initial parameters.",
    ),
    key(
        "log_interval",
        COUNT,
        "(once an epoch)",
        "batches",
        "How often metrics of training are reported.",
    ),
    key(
        "on_non_finite",
        Kind::Word {
            words: &["stop", "skip"],
            also: &[],
        },
        "stop",
        "",
        "What happens when the loss or the gradient of a batch is infinite or not a number: stop the run, or leave \
         the batch out and say so (ten times in a row at most). Not in 0.0.8.",
    ),
    key(
        "extended_metrics",
        Kind::Bool,
        "false",
        "",
        "Report more: learning rate, terms and weights of the loss, errors per atom and of the stress, throughput, share of \
         time spent waiting for data, memory. Metric files hold all in any case.",
    ),
    key(
        "dtype",
        DTYPE,
        "(that of the parameters)",
        "",
        "Number type of the computation; also read in `model`. With `bfloat16` and `float16` a training step keeps \
         features and derivatives in 16 bits between operations, which takes less memory; operations, sums, geometry, \
         energies, parameters, optimizer and evaluation stay in float32.",
    ),
    key(
        "local_model_output_dir",
        Kind::Path,
        "null",
        "",
        "Directory of checkpoints, metrics and report; none are written without it.",
    ),
    key(
        "max_checkpoints_to_keep",
        COUNT,
        "5",
        "",
        "Newest checkpoints of whole epochs kept.",
    ),
    key(
        "checkpoint_interval_minutes",
        POSITIVE,
        "null",
        "minutes",
        "Write a checkpoint within an epoch too when this much time has passed since the last. Not in 0.0.8.",
    ),
    key(
        "restore_checkpoint_if_exists",
        Kind::Bool,
        "false",
        "",
        "Continue an earlier run in the directory.",
    ),
    key(
        "epoch_to_restore",
        COUNT,
        "(the newest)",
        "epoch",
        "Which checkpoint to continue from, if one is restored.",
    ),
    key(
        "restore_optimizer_state",
        Kind::Bool,
        "false",
        "",
        "If a checkpoint is restored, take everything from it, so that the run continues bit for bit, instead of parameters and counters only.",
    ),
    key(
        "clear_previous_checkpoints",
        Kind::Bool,
        "false",
        "",
        "Delete checkpoints and metrics of an earlier run.",
    ),
    key(
        "warmup_scan",
        Kind::Counts,
        "true",
        "",
        "How many structures and atoms there are, for averages of metrics.",
    )
    .support(Support::NoEffect(
        "metrics are exact means over what was evaluated, the counts are not needed",
    )),
    key(
        "parallel",
        Kind::Bool,
        "(true when started by `mpirun` or `srun`)",
        "",
        "Train with all processes that were started together, each with batches of its own; `batch_size` is that of one. \
         One process uses all cores in any case. docs/parallel.md says more.",
    ),
    key(
        "drop_force_head",
        Kind::Bool,
        "false",
        "",
        "Remove the force head of a pretrained model; also read in `model`.",
    ),
    key(
        "report",
        Kind::Bool,
        "true",
        "",
        "Write a page with learning curves, parity plots and the worst structures, `report.html` in \
         `local_model_output_dir` or beside the model, after each validation and at the end. Not in 0.0.8.",
    ),
    key(
        "tensorboard",
        Kind::Text,
        "null",
        "",
        "Project for TensorBoard: event files are written to `./logs/<project>/<time>`.",
    ),
    key(
        "wandb",
        Kind::Text,
        "null",
        "",
        "Project for Weights & Biases: an offline run for `wandb sync` is written to `./logs/<project>/wandb`.",
    ),
];
