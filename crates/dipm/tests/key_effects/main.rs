//! Every key of the YAML file does something: runs of the program that differ in one key, and in what the key is about.
//!
//! A key that were read and forgotten would leave the trained model bit for bit as it is, since a run repeats itself
//! exactly. `docs/config.md` says which of these tests stands for which key; what a key does to how many digits is
//! tested in the crate that does it.

mod dataset_keys;
mod model_keys;
mod run;
mod train_keys;
