//! What could be written for a key: its default, or a likely value where the default is none or depends on something.

use super::schema::{Key, Section};

/// A value that can be written for a key.
pub(super) fn example(section: Section, row: &'static Key) -> &'static str {
    let likely = LIKELY
        .iter()
        .find(|(place, name, _)| *place == section && *name == row.name);
    match (likely, row.default_yaml()) {
        (Some((_, _, value)), _) => value,
        (None, Some(default)) => default,
        (None, None) => unreachable!("a test sees that {} has an example", row.name),
    }
}

/// Values for keys without a default that could be written.
const LIKELY: &[(Section, &str, &str)] = &[
    (Section::Model, "target", "NequIP"),
    (Section::Model, "predict_stress", "true"),
    (Section::Model, "pretrained", "other.safetensors"),
    (Section::Model, "dtype", "float64"),
    (Section::Model, "num_layers", "3"),
    (Section::Model, "l_max", "2"),
    (Section::Model, "avg_num_neighbors", "12.5"),
    (Section::Model, "num_channels", "64"),
    (Section::Model, "node_symmetry", "1"),
    (Section::Model, "avg_r_min", "0.95"),
    (Section::Model, "species_embedding_dim", "16"),
    (Section::Model, "num_rbf", "32"),
    (Section::Model, "charge_range", "2"),
    (Section::Model, "spin_range", "3"),
    (Section::Model, "grid_resolution", "18"),
    (Section::Dataset, "train_dataset_paths", "train.xyz"),
    (Section::Dataset, "valid_dataset_paths", "valid.xyz"),
    (Section::Dataset, "test_dataset_paths", "test.xyz"),
    (Section::Dataset, "dataset_splits", "[0.8, 0.1, 0.1]"),
    (Section::Dataset, "train_num_to_load", "1000"),
    (Section::Dataset, "valid_num_to_load", "100"),
    (Section::Dataset, "test_num_to_load", "100"),
    (Section::Dataset, "max_neighbors_per_atom", "50"),
    (Section::Dataset, "max_n_node", "64"),
    (Section::Dataset, "max_n_edge", "2000"),
    (Section::Dataset, "num_workers", "4"),
    (Section::Dataset, "use_shared_memory", "true"),
    (Section::Dataset, "info_file", "dataset_info.json"),
    (Section::Dataset, "energy_key", "REF_energy"),
    (Section::Dataset, "forces_key", "REF_forces"),
    (Section::Dataset, "stress_key", "REF_stress"),
    (Section::Dataset, "virial_key", "REF_virial"),
    (Section::Train, "loss", "mse"),
    (Section::Train, "save_path", "model.safetensors"),
    (Section::Train, "num_epochs", "200"),
    (Section::Train, "stage_splits", "[0.75, 0.25]"),
    (Section::Train, "log_interval", "50"),
    (Section::Train, "parallel", "true"),
    (Section::Train, "dtype", "float64"),
    (Section::Train, "local_model_output_dir", "runs/first"),
    (Section::Train, "checkpoint_interval_minutes", "30"),
    (Section::Train, "epoch_to_restore", "10"),
    (Section::Train, "tensorboard", "my_project"),
    (Section::Train, "wandb", "my_project"),
];

#[cfg(test)]
mod tests {
    use super::super::section::default;
    use super::super::tree;
    use super::super::values::parse;
    use super::*;

    #[test]
    fn every_key_has_an_example_that_can_be_written() {
        for section in Section::ALL {
            for row in section.keys() {
                let value = tree::parse(example(section, row)).unwrap().unwrap();
                assert!(!value.is_null(), "{}", row.name);
                parse(&row.kind, &value, row.name).unwrap_or_else(|e| panic!("{e}"));
            }
        }
    }

    #[test]
    fn examples_replace_only_defaults_that_cannot_be_written() {
        for (section, name, _) in LIKELY {
            let row = section.key(name).unwrap_or_else(|| panic!("no key {name}"));
            assert!(default(row).is_none(), "{name} has a default");
        }
    }
}
