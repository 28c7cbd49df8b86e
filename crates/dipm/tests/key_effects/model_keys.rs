//! Keys of `model`.

use dipm_models::{Model, Target};

use crate::run::{Config, Run, assert_changes};

/// Trains a small model of an architecture, then one for each other value of an option. All options must be there.
#[track_caller]
fn every_option_changes(target: Target, base: &[(&str, &str)], others: &[(&str, &str)]) {
    let start = Config::ethanol();
    let start = [
        "num_layers",
        "node_irreps",
        "l_max",
        "num_bessel",
        "radial_net_n_hidden",
    ]
    .iter()
    .fold(start, |config, key| config.without(key))
    .model("target", target.name())
    // the best model is a trained one then
    .train("run_eval_at_start", "false");
    let base = base
        .iter()
        .fold(start, |config, (key, value)| config.model(key, value));
    let unchanged = base.run().parameters();
    assert!(
        unchanged == base.run().parameters(),
        "a run does not repeat itself"
    );
    let json = target.default_config().to_json();
    for option in json.as_object().unwrap().keys() {
        // architectures without a force head refuse one
        let is_tested = others.iter().any(|(key, _)| key == option);
        assert!(
            is_tested || option == "param_dtype" || option == "force_head",
            "{option}"
        );
    }
    for (key, value) in others.iter().chain(&[("param_dtype", "bfloat16")]) {
        let changed = base.clone().model(key, value).run().parameters();
        assert!(changed != unchanged, "`{key}: {value}` changes nothing");
    }
}

#[test]
fn every_option_of_nequip_changes_the_trained_model() {
    let base = [
        ("num_layers", "1"),
        ("node_irreps", "4x0e + 2x1o + 2x2e"),
        ("l_max", "1"),
    ];
    let others = [
        ("num_layers", "2"),
        ("node_irreps", "4x0e + 3x1o"),
        ("l_max", "2"),
        ("num_bessel", "5"),
        ("radial_net_nonlinearity", "tanh"),
        ("radial_net_n_hidden", "6"),
        ("radial_net_n_layers", "1"),
        ("radial_envelope", "soft"),
        ("scalar_mlp_std", "1.0"),
        ("atomic_energies", "zero"),
        ("avg_num_neighbors", "3.0"),
    ];
    every_option_changes(Target::Nequip, &base, &others);
}

#[test]
fn every_option_of_mace_changes_the_trained_model() {
    let base = [
        ("num_channels", "4"),
        ("l_max", "1"),
        ("correlation", "2"),
        ("readout_irreps", "[4x0e, 0e]"),
    ];
    let others = [
        ("num_layers", "1"),
        ("num_channels", "6"),
        ("l_max", "2"),
        ("node_symmetry", "0"),
        ("correlation", "3"),
        ("readout_irreps", "[5x0e, 0e]"),
        ("num_readout_heads", "2"),
        ("include_pseudotensors", "false"),
        ("num_bessel", "5"),
        ("activation", "tanh"),
        ("radial_envelope", "cosine"),
        ("polynomial_degree", "6"),
        ("symmetric_tensor_product_basis", "true"),
        ("avg_num_neighbors", "3.0"),
        ("avg_r_min", "0.5"),
        ("gate_nodes", "true"),
        ("species_embedding_dim", "3"),
        ("atomic_energies", "{H: -10.0, C: -50.0, O: -100.0}"),
    ];
    every_option_changes(Target::Mace, &base, &others);
}

#[test]
fn every_option_of_visnet_changes_the_trained_model() {
    let base = [
        ("num_layers", "2"),
        ("num_channels", "8"),
        ("num_heads", "2"),
        ("num_rbf", "6"),
    ];
    let others = [
        ("num_layers", "3"),
        ("num_channels", "12"),
        ("l_max", "1"),
        ("num_heads", "4"),
        ("num_rbf", "7"),
        ("trainable_rbf", "true"),
        ("activation", "tanh"),
        ("attn_activation", "tanh"),
        ("vecnorm_type", "rms"),
        ("atomic_energies", "zero"),
    ];
    every_option_changes(Target::Visnet, &base, &others);
}

#[test]
fn every_option_of_liten_changes_the_trained_model() {
    let base = [
        ("num_layers", "2"),
        ("num_channels", "8"),
        ("num_heads", "2"),
        ("num_rbf", "6"),
    ];
    let others = [
        ("num_layers", "1"),
        ("num_channels", "12"),
        ("num_heads", "4"),
        ("num_rbf", "7"),
        ("charge_range", "2"),
        ("spin_range", "3"),
        ("trainable_rbf", "true"),
        ("activation", "tanh"),
        ("atomic_energies", "zero"),
    ];
    every_option_changes(Target::Liten, &base, &others);
}

#[test]
fn every_option_of_equiformerv2_changes_the_trained_model() {
    let base = [
        ("num_layers", "1"),
        ("lmax", "2"),
        ("mmax", "1"),
        ("sphere_channels", "4"),
        ("num_edge_channels", "4"),
        ("num_rbf", "6"),
        ("attn_hidden_channels", "4"),
        ("num_heads", "2"),
        ("attn_alpha_channels", "3"),
        ("attn_value_channels", "2"),
        ("ffn_hidden_channels", "4"),
        ("alpha_drop", "0.0"),
        ("drop_path_rate", "0.0"),
    ];
    let others = [
        ("force_head", "true"),
        ("num_layers", "2"),
        ("lmax", "3"),
        ("mmax", "2"),
        ("sphere_channels", "6"),
        ("num_edge_channels", "5"),
        ("atom_edge_embedding", "none"),
        ("num_rbf", "7"),
        ("attn_hidden_channels", "5"),
        ("num_heads", "1"),
        ("attn_alpha_channels", "4"),
        ("attn_value_channels", "3"),
        ("ffn_hidden_channels", "5"),
        ("norm_type", "rms_norm_sh"),
        ("grid_resolution", "10"),
        ("use_m_share_rad", "true"),
        ("use_attn_renorm", "false"),
        ("use_gate_act", "true"),
        ("use_grid_mlp", "false"),
        ("use_sep_s2_act", "false"),
        ("alpha_drop", "0.3"),
        ("drop_path_rate", "0.5"),
        ("avg_num_neighbors", "null"),
        ("avg_num_nodes", "null"),
        ("atomic_energies", "zero"),
    ];
    every_option_changes(Target::EquiformerV2, &base, &others);
}

#[test]
fn every_option_of_uma_changes_the_trained_model() {
    let base = [
        ("num_layers", "1"),
        ("lmax", "2"),
        ("mmax", "1"),
        ("sphere_channels", "4"),
        ("edge_channels", "4"),
        ("hidden_channels", "4"),
        ("num_rbf", "6"),
        ("num_experts", "3"),
    ];
    let others = [
        ("force_head", "true"),
        ("num_layers", "2"),
        ("lmax", "3"),
        ("mmax", "2"),
        ("sphere_channels", "6"),
        ("edge_channels", "5"),
        ("hidden_channels", "5"),
        ("num_rbf", "7"),
        ("grid_resolution", "10"),
        ("norm_type", "layer_norm"),
        ("act_type", "s2_sep"),
        ("ff_type", "spectral"),
        ("num_experts", "2"),
        ("mole_dropout", "0.5"),
        ("use_composition_embedding", "true"),
        ("atomic_energies", "zero"),
    ];
    every_option_changes(Target::Uma, &base, &others);
}

#[test]
fn the_target_decides_the_architecture() {
    for target in Target::ALL {
        let small = match target {
            Target::EquiformerV2 | Target::Uma => vec![
                ("lmax", "1"),
                ("mmax", "1"),
                ("sphere_channels", "4"),
                ("num_rbf", "6"),
            ],
            Target::Nequip => vec![("node_irreps", "4x0e + 2x1o")],
            _ => vec![("num_channels", "8")],
        };
        let config = ["node_irreps", "l_max", "num_bessel", "radial_net_n_hidden"]
            .iter()
            .fold(Config::ethanol(), |config, key| config.without(key));
        let config = small
            .iter()
            .fold(config, |c, (key, value)| c.model(key, value));
        let run = config
            .model("target", target.name())
            .train("num_epochs", "1")
            .run();
        let model = Model::load(run.path("model.safetensors")).unwrap();
        assert_eq!(model.config.target(), *target);
    }
}

#[test]
fn the_seed_of_the_model_decides_its_first_parameters() {
    let base = Config::ethanol();
    assert_changes("seed", &base, &base.clone().model("seed", "7"));
    let start = |seed| {
        let config = Config::ethanol()
            .model("seed", seed)
            .train("num_epochs", "1");
        config.run().numbers("validation", "loss")[0]
    };
    assert_ne!(
        start("42"),
        start("7"),
        "the initial parameters are judged first"
    );
}

#[test]
fn predict_stress_is_kept_in_the_model_file() {
    for (value, expected) in [("true", true), ("false", false)] {
        let run = Config::ethanol().model("predict_stress", value).run();
        let model = Model::load(run.path("model.safetensors")).unwrap();
        assert_eq!(model.predict_stress, expected);
    }
}

#[test]
fn the_number_type_of_the_computation_changes_the_last_digits() {
    let base = Config::ethanol();
    let in_model = base.clone().model("dtype", "float64");
    assert_changes("dtype", &base, &in_model);
    let in_train = base.clone().train("dtype", "float64");
    assert!(in_model.run().parameters() == in_train.run().parameters());
    let losses = [base, in_train].map(|config| config.run().numbers("validation", "loss")[0]);
    let difference = (losses[0] - losses[1]).abs() / losses[1];
    assert!(difference > 0.0 && difference < 1e-4, "{losses:?}");
}

#[test]
fn sixteen_bits_change_the_training_and_the_report_says_so() {
    let base = Config::ethanol();
    let exact = base.run();
    let loss = |run: &Run| run.numbers("validation", "loss")[0];
    for (written, name) in [("bfloat16", "bfloat16"), ("F16", "float16")] {
        let run = base.clone().train("dtype", written).run();
        assert!(run.parameters() != exact.parameters());
        let difference = (loss(&run) - loss(&exact)).abs() / loss(&exact);
        assert!(difference < 0.05, "{name}: {difference}");
        let report = std::fs::read_to_string(run.path("run/report.md")).unwrap();
        let sentence = format!(
            "features and derivatives that a training step keeps for later are rounded to {name}"
        );
        assert!(report.contains(&sentence), "{report}");
    }
}

#[test]
fn parameters_are_computed_with_and_judged_as_the_file_holds_them() {
    let base = Config::ethanol();
    let run = |param_dtype: &str, dtype: &str| {
        let config = base.clone().model("param_dtype", param_dtype);
        config.train("dtype", dtype).run()
    };
    // without `dtype` the computation has the type of the parameters
    for param_dtype in ["float64", "bfloat16", "float16"] {
        let same = base.clone().model("param_dtype", param_dtype).run();
        assert!(same.parameters() == run(param_dtype, param_dtype).parameters());
        let resolved = std::fs::read_to_string(same.path("run/config.yaml")).unwrap();
        assert!(
            resolved.contains(&format!("  dtype: {param_dtype}\n")),
            "{resolved}"
        );
    }
    for (param_dtype, bits) in [("float16", 11), ("bfloat16", 8), ("float32", 24)] {
        let found = run(param_dtype, "float64");
        let exact = run("float64", "float64");
        // the same training, then rounding to so many bits
        let (found, exact) = (found.numbers_of_model(), exact.numbers_of_model());
        assert!(found != exact);
        for (found, exact) in found.into_iter().zip(exact) {
            let bound = exact.abs() / f64::from(2u32.pow(bits));
            assert!((found - exact).abs() <= bound + 1e-7, "{found} {exact}");
        }
    }
}
