//! Which tests would fail if a key were ignored.
//!
//! The first test of a key runs the program with it; those that follow compare what the key does with the reference.

use dipm_models::Target;

use super::key_test_rows::{MODEL, MODEL_GOLDEN, TESTS};
use super::resolve_model::has;
use super::schema::{Key, Section};

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
        tests.extend(with.map(of_architecture));
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
