//! `dipm init`: a first configuration with every option of an architecture in a comment.

use dipm_models::Target;

use super::examples::example;
use super::explain::{default_of, meaning, wrapped};
use super::resolve_model::{OWN, display, has, trainable};
use super::schema::{Key, Section, Support};
use super::suggest::nearest;

/// Values to start with, smaller and faster than the defaults; for small molecules and a few hundred structures.
fn start(target: Target) -> &'static [(&'static str, &'static str)] {
    match target {
        Target::Nequip => &[
            ("num_layers", "2"),
            ("node_irreps", "32x0e + 16x1o + 8x2e"),
            ("l_max", "2"),
            ("radial_net_n_hidden", "32"),
        ],
        Target::Mace => &[
            ("num_channels", "32"),
            ("l_max", "2"),
            ("node_symmetry", "1"),
            ("include_pseudotensors", "false"),
        ],
        Target::Visnet => &[("num_layers", "3"), ("num_channels", "64")],
        Target::Liten => &[("num_layers", "2"), ("num_channels", "64")],
        Target::EquiformerV2 => &[
            ("num_layers", "2"),
            ("lmax", "2"),
            ("mmax", "2"),
            ("sphere_channels", "32"),
            ("num_edge_channels", "32"),
            ("num_rbf", "64"),
            ("attn_hidden_channels", "16"),
            ("num_heads", "4"),
            ("attn_alpha_channels", "16"),
            ("attn_value_channels", "8"),
            ("ffn_hidden_channels", "32"),
            ("use_gate_act", "true"),
            ("use_grid_mlp", "false"),
            ("alpha_drop", "0.0"),
            ("drop_path_rate", "0.0"),
            ("avg_num_neighbors", "null"),
            ("avg_num_nodes", "null"),
        ],
        Target::Uma => &[
            ("num_layers", "2"),
            ("lmax", "2"),
            ("mmax", "2"),
            ("sphere_channels", "32"),
            ("edge_channels", "32"),
            ("hidden_channels", "32"),
            ("num_rbf", "64"),
            ("num_experts", "4"),
            ("ff_type", "spectral"),
        ],
    }
}

/// First and last learning rate.
fn learning_rates(target: Target) -> [&'static str; 2] {
    match target {
        Target::Nequip | Target::Mace => ["0.01", "0.0001"],
        Target::Visnet | Target::Liten => ["0.001", "0.00001"],
        Target::EquiformerV2 | Target::Uma => ["0.002", "0.00005"],
    }
}

/// Keys that mean something only with a saved model to start from.
const WITH_PRETRAINED: &[&str] = &[
    "pretrained",
    "refit_atomic_energies",
    "drop_force_head",
    "drop_unseen_elements",
];

/// A configuration of an architecture, to be written as `file`, that trains once its paths are those of data.
///
/// # Errors
/// A sentence about a name that is no architecture.
pub fn template(architecture: &str, file: &str) -> Result<String, String> {
    match trainable(architecture) {
        Some(target) => Ok(of_target(target, file)),
        None => {
            let names = Target::ALL.iter().map(|target| display(target.name()));
            let names: Vec<&str> = names.collect();
            let near = nearest(architecture, &names);
            let near = near.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
            let names = names.join(", ");
            Err(format!(
                "unknown architecture `{architecture}`{near}\narchitectures: {names}"
            ))
        }
    }
}

fn of_target(target: Target, file: &str) -> String {
    let name = display(target.name());
    let run = format!("runs/{}", target.name());
    let save_path = format!("{run}/model.safetensors");
    let [first_rate, last_rate] = learning_rates(target);
    let mut model = vec![("target", name)];
    model.extend(start(target));
    let dataset = [
        ("train_dataset_paths", "train.xyz"),
        ("valid_dataset_paths", "valid.xyz"),
        ("graph_cutoff_angstrom", "5.0"),
        ("batch_size", "8"),
    ];
    let train = [
        ("loss", "mse"),
        ("save_path", save_path.as_str()),
        ("num_epochs", "200"),
        ("init_learning_rate", first_rate),
        ("peak_learning_rate", first_rate),
        ("final_learning_rate", last_rate),
        ("warmup_steps", "0"),
        ("transition_steps", "10000"),
        ("grad_norm", "1.0"),
        ("local_model_output_dir", run.as_str()),
    ];
    let mut text = format!(
        "# Trains {name}. Put in the paths of your data, then: dipm train {file}\n\
         # The values that are set here make a small model that trains quickly. Keys in comments have their defaults,\n\
         # or an example where the default is none; `dipm explain KEY` says more.\n"
    );
    for (section, values) in [
        (Section::Model, model.as_slice()),
        (Section::Dataset, &dataset),
        (Section::Train, &train),
    ] {
        text += &format!("\n{}:\n", section.name());
        let rows = section.keys().iter().filter(|row| {
            let is_option = section == Section::Model && !OWN.contains(&row.name);
            !is_option || has(target, row.name)
        });
        let (set, left): (Vec<&'static Key>, Vec<_>) =
            rows.partition(|row| values.iter().any(|(key, _)| *key == row.name));
        for row in set {
            let (_, value) = values
                .iter()
                .find(|(key, _)| *key == row.name)
                .expect("it is set");
            text += &entry(section, row, target, Some(value));
        }
        for row in left {
            if row.support == Support::Full && !WITH_PRETRAINED.contains(&row.name) {
                text += &entry(section, row, target, None);
            }
        }
    }
    text
}

/// A key with its meaning above; in a comment without a value to set.
fn entry(section: Section, row: &'static Key, target: Target, value: Option<&str>) -> String {
    let unit = match row.unit {
        "" => String::new(),
        unit => format!(" [{unit}]"),
    };
    let is_option = section == Section::Model && has(target, row.name);
    let default = match is_option {
        true => default_of(row, target),
        false => row.default.trim_matches(['(', ')']).replace("null", "none"),
    };
    // what leads to another value than the default says what that is
    let says_default = !row.is_required()
        && value.map_or(example_of(section, row, target) != default, |v| {
            v != default
        });
    let default = match says_default {
        true => format!(" Default: {default}."),
        false => String::new(),
    };
    let note = match row.name {
        "transition_steps" => " Here 50 batches an epoch; batches an epoch times epochs is right.",
        _ => "",
    };
    let about = format!("{}{unit}{default}{note}", meaning(row));
    let mut text = String::new();
    for line in wrapped(&about, 96) {
        text += &format!("  # {line}\n");
    }
    match value {
        Some(value) => text += &format!("  {}: {value}\n", row.name),
        None => text += &format!("  # {}: {}\n", row.name, example_of(section, row, target)),
    }
    text
}

/// The default of the architecture where it can be written, else an example.
fn example_of(section: Section, row: &'static Key, target: Target) -> String {
    if section == Section::Model && has(target, row.name) && row.default_yaml().is_none() {
        let value = &target.default_config().to_json()[row.name];
        if !value.is_null() {
            return default_of(row, target);
        }
    }
    example(section, row).to_owned()
}
