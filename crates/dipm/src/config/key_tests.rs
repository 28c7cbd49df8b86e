//! Which tests would fail if a key were ignored.
//!
//! The first test of a key runs the program with it; those that follow compare what the key does with the reference.

use dipm_models::Target;

use super::resolve_model::has;
use super::schema::{Key, Section};

const MODEL: &str = "crates/dipm/tests/key_effects/model_keys.rs";
const DATASET: &str = "crates/dipm/tests/key_effects/dataset_keys.rs";
const TRAIN: &str = "crates/dipm/tests/key_effects/train_keys.rs";
const FINE_TUNING: &str = "crates/dipm/tests/fine_tuning.rs";
const COMMANDS: &str = "crates/dipm/tests/commands.rs";
const LOGS: &str = "crates/dipm/tests/logs.rs";
const VALUES: &str = "crates/dipm/tests/config_values.rs";
const MODEL_GOLDEN: &str = "crates/dipm-models/tests/golden.rs";
const UMA: &str = "crates/dipm-models/src/uma/tests.rs";
const OPTIMIZER: &str = "crates/dipm-train/src/optimizer_tests.rs";
const LOSS: &str = "crates/dipm-train/src/loss_tests.rs";
const CHECKPOINTS: &str = "crates/dipm-train/src/checkpoints_tests.rs";
const LOOP: &str = "crates/dipm-train/tests/training_loop.rs";
const LOADING: &str = "crates/dipm-data/tests/loading.rs";
const PREPARING: &str = "crates/dipm-data/tests/preparing.rs";
const NEIGHBORS: &str = "crates/dipm-data/tests/neighbors.rs";
const STATISTICS: &str = "crates/dipm-data/tests/statistics.rs";
const XYZ: &str = "crates/dipm-data/tests/xyz.rs";

/// Options of which stored results of dipm 0.0.8 have several values.
pub const GOLDEN_OPTIONS: &[&str] = &[
    "force_head",
    "num_layers",
    "lmax",
    "mmax",
    "sphere_channels",
    "num_edge_channels",
    "atom_edge_embedding",
    "attn_hidden_channels",
    "attn_value_channels",
    "ffn_hidden_channels",
    "norm_type",
    "grid_resolution",
    "use_m_share_rad",
    "use_gate_act",
    "use_grid_mlp",
    "use_sep_s2_act",
    "avg_num_neighbors",
    "avg_num_nodes",
    "num_heads",
    "num_rbf",
    "charge_range",
    "spin_range",
    "trainable_rbf",
    "activation",
    "l_max",
    "node_symmetry",
    "correlation",
    "readout_irreps",
    "num_readout_heads",
    "include_pseudotensors",
    "num_bessel",
    "radial_envelope",
    "polynomial_degree",
    "symmetric_tensor_product_basis",
    "gate_nodes",
    "species_embedding_dim",
    "node_irreps",
    "radial_net_nonlinearity",
    "radial_net_n_hidden",
    "radial_net_n_layers",
    "num_experts",
    "use_composition_embedding",
    "attn_activation",
    "vecnorm_type",
];

/// A test: its file from the root of the repository, and its name.
pub type Test = (&'static str, String);

/// The tests of a key.
pub fn tests_of(section: Section, key: &Key) -> Vec<Test> {
    let of_architecture = |target: &Target| {
        let name = format!(
            "every_option_of_{}_changes_the_trained_model",
            target.name()
        );
        (MODEL, name)
    };
    let mut tests = Vec::new();
    if section == Section::Model {
        let with = Target::ALL.iter().filter(|target| {
            // the others refuse a force head
            let takes =
                key.name != "force_head" || matches!(target, Target::EquiformerV2 | Target::Uma);
            takes && has(**target, key.name)
        });
        // `param_dtype` has one value so far
        tests.extend(
            with.filter(|_| key.name != "param_dtype")
                .map(of_architecture),
        );
        if GOLDEN_OPTIONS.contains(&key.name) {
            tests.push((MODEL_GOLDEN, "double_precision_agrees_to_1e_9".to_owned()));
        }
    }
    let rows = TESTS
        .iter()
        .filter(|(place, names, ..)| *place == section && names.contains(&key.name));
    tests.extend(rows.map(|(_, _, file, test)| (*file, (*test).to_owned())));
    tests
}

/// Tests of keys that are no options of an architecture, and more tests of those.
const TESTS: &[(Section, &[&str], &str, &str)] = &[
    (
        Section::Model,
        &["act_type", "ff_type"],
        UMA,
        "without_what_is_mended_the_stored_numbers_of_0_0_8_come_out",
    ),
    (
        Section::Model,
        &["target"],
        MODEL,
        "the_target_decides_the_architecture",
    ),
    (
        Section::Model,
        &["seed"],
        MODEL,
        "the_seed_of_the_model_decides_its_first_parameters",
    ),
    (
        Section::Model,
        &["predict_stress"],
        MODEL,
        "predict_stress_is_kept_in_the_model_file",
    ),
    (
        Section::Model,
        &["pretrained"],
        FINE_TUNING,
        "a_file_of_0_0_8_gets_better_on_other_data",
    ),
    (
        Section::Model,
        &["refit_atomic_energies"],
        FINE_TUNING,
        "atomic_energies_move_to_those_of_the_data",
    ),
    (
        Section::Model,
        &["drop_force_head"],
        FINE_TUNING,
        "a_force_head_is_dropped_and_forces_become_derivatives",
    ),
    (
        Section::Model,
        &["dtype"],
        MODEL,
        "the_number_type_of_the_computation_changes_the_last_digits",
    ),
    (
        Section::Model,
        &["atomic_energies"],
        VALUES,
        "energies_of_atoms_are_a_word_or_a_map",
    ),
    (
        Section::Dataset,
        &[
            "train_dataset_paths",
            "valid_dataset_paths",
            "test_dataset_paths",
        ],
        DATASET,
        "data_are_those_of_the_paths",
    ),
    (
        Section::Dataset,
        &[
            "train_dataset_paths",
            "valid_dataset_paths",
            "test_dataset_paths",
        ],
        PREPARING,
        "a_directory_is_searched_recursively_in_a_fixed_order",
    ),
    (
        Section::Dataset,
        &["dataset_splits"],
        DATASET,
        "the_training_files_are_split_as_asked",
    ),
    (
        Section::Dataset,
        &["dataset_splits"],
        PREPARING,
        "splits_are_contiguous_and_subsets_are_seeded",
    ),
    (
        Section::Dataset,
        &["train_num_to_load", "valid_num_to_load", "test_num_to_load"],
        DATASET,
        "as_many_structures_are_loaded_as_asked",
    ),
    (
        Section::Dataset,
        &["random_subset", "seed", "shuffle"],
        DATASET,
        "the_choice_and_the_order_of_structures_depend_on_their_keys",
    ),
    (
        Section::Dataset,
        &["random_subset"],
        PREPARING,
        "splits_are_contiguous_and_subsets_are_seeded",
    ),
    (
        Section::Dataset,
        &["seed", "shuffle"],
        LOADING,
        "the_order_depends_on_seed_and_epoch_and_not_on_threads",
    ),
    (
        Section::Dataset,
        &["graph_cutoff_angstrom", "max_neighbors_per_atom"],
        DATASET,
        "neighbours_are_those_within_the_cutoff_and_their_largest_number",
    ),
    (
        Section::Dataset,
        &["graph_cutoff_angstrom"],
        NEIGHBORS,
        "lists_of_awkward_cells_match_the_golden_lists",
    ),
    (
        Section::Dataset,
        &["max_neighbors_per_atom"],
        NEIGHBORS,
        "nearest_neighbors_win_and_ties_go_to_the_smaller_sender_and_shift",
    ),
    (
        Section::Dataset,
        &["batch_size", "max_n_node", "max_n_edge"],
        DATASET,
        "batches_are_as_large_as_their_limits",
    ),
    (
        Section::Dataset,
        &["batch_size", "max_n_node", "max_n_edge"],
        STATISTICS,
        "batch_plans_equal_the_golden_plans",
    ),
    (
        Section::Dataset,
        &["num_workers", "num_batch_prefetch", "load_into_memory"],
        DATASET,
        "batches_are_prepared_ahead_by_workers_or_kept_in_memory",
    ),
    (
        Section::Dataset,
        &["use_formation_energies"],
        DATASET,
        "formation_energies_are_trained_on_request",
    ),
    (
        Section::Dataset,
        &["use_formation_energies"],
        STATISTICS,
        "formation_energies_subtract_the_atomic_energies",
    ),
    (
        Section::Dataset,
        &["drop_unseen_elements"],
        FINE_TUNING,
        "elements_that_the_data_lack_are_dropped_on_request",
    ),
    (
        Section::Dataset,
        &["info_file", "update_dataset_info"],
        DATASET,
        "statistics_come_from_the_info_file_and_are_updated_on_request",
    ),
    (
        Section::Dataset,
        &["update_dataset_info"],
        FINE_TUNING,
        "statistics_of_sizes_are_updated_on_request",
    ),
    (
        Section::Dataset,
        &["energy_key", "forces_key", "stress_key", "virial_key"],
        DATASET,
        "labels_are_read_under_the_names_given",
    ),
    (
        Section::Dataset,
        &["energy_key", "forces_key", "stress_key", "virial_key"],
        XYZ,
        "keys_of_labels_have_an_order_and_can_be_chosen",
    ),
    (
        Section::Train,
        &["loss"],
        TRAIN,
        "the_three_losses_train_different_models",
    ),
    (
        Section::Train,
        &["loss"],
        LOSS,
        "the_three_losses_and_their_terms_are_the_golden_ones",
    ),
    (
        Section::Train,
        &["save_path"],
        TRAIN,
        "the_model_is_written_to_save_path",
    ),
    (
        Section::Train,
        &["num_epochs"],
        TRAIN,
        "num_epochs_is_the_number_of_passes",
    ),
    (
        Section::Train,
        &["energy_weights", "forces_weights", "stage_splits"],
        TRAIN,
        "weights_of_the_loss_are_those_of_each_stage",
    ),
    (
        Section::Train,
        &["stress_weights"],
        TRAIN,
        "the_stress_is_trained_with_its_weight",
    ),
    (
        Section::Train,
        &["stage_splits"],
        LOSS,
        "two_stages_switch_where_the_reference_does",
    ),
    (
        Section::Train,
        &[
            "init_learning_rate",
            "peak_learning_rate",
            "final_learning_rate",
            "warmup_steps",
            "transition_steps",
        ],
        TRAIN,
        "the_learning_rate_follows_its_keys",
    ),
    (
        Section::Train,
        &[
            "init_learning_rate",
            "peak_learning_rate",
            "final_learning_rate",
            "warmup_steps",
            "transition_steps",
        ],
        OPTIMIZER,
        "the_learning_rate_follows_the_golden_schedules",
    ),
    (
        Section::Train,
        &["weight_decay", "apply_weight_decay_mask"],
        TRAIN,
        "weight_decay_pulls_what_the_mask_lets_it",
    ),
    (
        Section::Train,
        &["grad_norm"],
        TRAIN,
        "a_largest_gradient_of_zero_moves_nothing",
    ),
    (
        Section::Train,
        &["num_gradient_accumulation_steps"],
        TRAIN,
        "accumulated_batches_make_one_step",
    ),
    (
        Section::Train,
        &["ema_decay", "use_ema_params_for_eval"],
        TRAIN,
        "the_running_average_has_its_weight_and_can_be_left_out",
    ),
    (
        Section::Train,
        &[
            "weight_decay",
            "apply_weight_decay_mask",
            "grad_norm",
            "num_gradient_accumulation_steps",
            "ema_decay",
        ],
        OPTIMIZER,
        "every_golden_optimizer_case_is_followed_in_f64",
    ),
    (
        Section::Train,
        &["run_eval_at_start"],
        TRAIN,
        "the_first_evaluation_can_be_left_out",
    ),
    (
        Section::Train,
        &["run_eval_at_start"],
        LOOP,
        "the_initial_evaluation_judges_the_initial_parameters_and_can_be_left_out",
    ),
    (
        Section::Train,
        &["log_interval"],
        TRAIN,
        "metrics_of_training_come_every_log_interval",
    ),
    (
        Section::Train,
        &["on_non_finite"],
        COMMANDS,
        "a_run_that_is_not_finite_leaves_its_batch_and_the_operation_is_found",
    ),
    (
        Section::Train,
        &["extended_metrics"],
        TRAIN,
        "extended_metrics_are_shown_on_request",
    ),
    (
        Section::Train,
        &["report"],
        TRAIN,
        "a_page_with_charts_is_written_unless_it_is_not_wanted",
    ),
    (
        Section::Train,
        &["dtype"],
        MODEL,
        "the_number_type_of_the_computation_changes_the_last_digits",
    ),
    (
        Section::Train,
        &["local_model_output_dir"],
        TRAIN,
        "what_a_run_leaves_lies_in_local_model_output_dir",
    ),
    (
        Section::Train,
        &["max_checkpoints_to_keep"],
        TRAIN,
        "as_many_checkpoints_are_kept_as_asked",
    ),
    (
        Section::Train,
        &["max_checkpoints_to_keep"],
        CHECKPOINTS,
        "only_the_newest_checkpoints_are_kept",
    ),
    (
        Section::Train,
        &["checkpoint_interval_minutes"],
        TRAIN,
        "checkpoints_within_an_epoch_come_on_request",
    ),
    (
        Section::Train,
        &[
            "restore_checkpoint_if_exists",
            "epoch_to_restore",
            "restore_optimizer_state",
        ],
        TRAIN,
        "a_run_goes_on_from_the_checkpoint_that_is_asked_for",
    ),
    (
        Section::Train,
        &["epoch_to_restore"],
        CHECKPOINTS,
        "an_earlier_epoch_can_be_restored_and_later_ones_are_set_aside",
    ),
    (
        Section::Train,
        &["restore_optimizer_state"],
        LOOP,
        "without_the_optimizer_state_only_parameters_step_and_position_are_restored",
    ),
    (
        Section::Train,
        &["clear_previous_checkpoints"],
        TRAIN,
        "an_earlier_run_is_neither_continued_nor_cleared_unasked",
    ),
    (
        Section::Train,
        &["clear_previous_checkpoints"],
        CHECKPOINTS,
        "clearing_removes_what_the_program_wrote_and_nothing_else",
    ),
    (
        Section::Train,
        &["drop_force_head"],
        FINE_TUNING,
        "a_force_head_is_dropped_and_forces_become_derivatives",
    ),
    (
        Section::Train,
        &["tensorboard", "wandb"],
        LOGS,
        "logs_lie_under_their_projects_and_go_on_with_the_run",
    ),
];
