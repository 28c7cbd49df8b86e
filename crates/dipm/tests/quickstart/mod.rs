//! A tiny model on the quickstart data.

/// Where the data are.
macro_rules! data {
    () => {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/quickstart")
    };
}

/// The beginning of a configuration: all of `model`, and of `dataset` the files. More keys of `dataset` may follow.
pub const MODEL_AND_FILES: &str = concat!(
    "model:
  target: nequip
  num_layers: 1
  node_irreps: 4x0e + 2x1o
  l_max: 1
  radial_net_n_hidden: 8
dataset:
  train_dataset_paths: ",
    data!(),
    "/ethanol_train.h5
  valid_dataset_paths: ",
    data!(),
    "/ethanol_valid.h5
  test_dataset_paths: ",
    data!(),
    "/ethanol_test.h5
"
);
