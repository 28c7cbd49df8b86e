//! Keys of `dataset`.

use super::schema::{COUNT, Key, Kind, POSITIVE, Support, WHOLE, key};

/// The table.
pub(super) const KEYS: &[Key] = &[
    key(
        "train_dataset_paths",
        Kind::DataPaths,
        "required",
        "",
        "Training data: extended XYZ (.xyz, .extxyz) or HDF5 (.h5, .hdf5) files; a directory stands for all such \
         files below it.",
    ),
    key(
        "valid_dataset_paths",
        Kind::DataPaths,
        "null",
        "",
        "Validation data, which choose the best epoch. Required without `dataset_splits`.",
    ),
    key(
        "test_dataset_paths",
        Kind::DataPaths,
        "null",
        "",
        "Test data, evaluated once at the end.",
    ),
    key(
        "dataset_splits",
        Kind::Splits,
        "null",
        "structures",
        "Contiguous parts of the training files for training, validation and test: numbers of structures, or \
         fractions. Excludes `valid_dataset_paths`, and `test_dataset_paths` unless the third number is 0.",
    ),
    key(
        "train_num_to_load",
        Kind::Amount,
        "null",
        "structures",
        "How much of the training data to use: `1` is one structure, `1.0` all of them.",
    ),
    key(
        "valid_num_to_load",
        Kind::Amount,
        "null",
        "structures",
        "How much of the validation data to use.",
    ),
    key(
        "test_num_to_load",
        Kind::Amount,
        "null",
        "structures",
        "How much of the test data to use.",
    ),
    key(
        "random_subset",
        Kind::Bool,
        "true",
        "",
        "Choose the structures of `train_num_to_load` and the like at random instead of from the front.",
    ),
    key(
        "seed",
        WHOLE,
        "42",
        "",
        "Seed of subsets and of the order of training. Not in 0.0.8.",
    ),
    key(
        "graph_cutoff_angstrom",
        POSITIVE,
        "5.0",
        "Å",
        "Atoms closer than this are neighbours. A pretrained model brings its own.",
    ),
    key(
        "max_neighbors_per_atom",
        COUNT,
        "null",
        "",
        "Most neighbours of an atom; the nearest are kept.",
    ),
    key(
        "batch_size",
        COUNT,
        "16",
        "structures",
        "Most structures in a batch.",
    ),
    key(
        "max_n_node",
        COUNT,
        "null",
        "",
        "Most atoms in a batch, divided by `batch_size`.",
    ),
    key(
        "max_n_edge",
        COUNT,
        "null",
        "",
        "Most directed edges in a batch, divided by 2 · `batch_size`.",
    ),
    key(
        "shuffle",
        Kind::Bool,
        "true",
        "",
        "Whether the order of training changes from epoch to epoch.",
    ),
    key(
        "num_workers",
        WHOLE,
        "(number of cores)",
        "",
        "Threads that read ahead; 0 reads on the training thread.",
    ),
    key(
        "num_batch_prefetch",
        WHOLE,
        "128",
        "batches",
        "Most batches prepared ahead; 0 reads on the training thread.",
    ),
    key(
        "use_shared_memory",
        Kind::Bool,
        "null",
        "",
        "How loader processes pass batches on.",
    )
    .support(Support::NoEffect(
        "batches are prepared by threads, which share memory in any case",
    )),
    key(
        "load_into_memory",
        Kind::Bool,
        "false",
        "",
        "Keep all graphs in memory after the first pass.",
    ),
    key(
        "use_formation_energies",
        Kind::Bool,
        "false",
        "",
        "Subtract the energies of isolated atoms from the reference energies when reading. Needs \
         `atomic_energies: zero` in `model`.",
    ),
    key(
        "drop_unseen_elements",
        Kind::Bool,
        "false",
        "",
        "Remove elements that the training data lack from a pretrained model, and leave out structures of the \
         other data that have them.",
    ),
    key(
        "info_file",
        Kind::Path,
        "null",
        "",
        "A `dataset_info.json` whose statistics are used instead of computed ones, if the file exists.",
    ),
    key(
        "update_dataset_info",
        Kind::Bool,
        "false",
        "",
        "Recompute the numbers of atoms and edges in `info_file`, or in the statistics of a pretrained model.",
    ),
    key(
        "energy_key",
        Kind::Names,
        "(the usual names, see docs/formats.md)",
        "",
        "Under which name the energy is stored, the preferred name first. Not in 0.0.8.",
    ),
    key(
        "forces_key",
        Kind::Names,
        "(the usual names)",
        "",
        "Under which name the forces are stored. Not in 0.0.8.",
    ),
    key(
        "stress_key",
        Kind::Names,
        "(the usual names)",
        "",
        "Under which name the stress is stored. With this key and without `virial_key` no virial is looked for. Not in \
         0.0.8.",
    ),
    key(
        "virial_key",
        Kind::Names,
        "(the usual names)",
        "",
        "Under which name the virial is stored, the stress times minus the volume. With this key and without \
         `stress_key` no stress is looked for. Not in 0.0.8.",
    ),
];
