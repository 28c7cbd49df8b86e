use super::*;
use dipm_data::AtomicEnergies;
use std::collections::BTreeMap;

pub(crate) fn info(num_species: u8) -> DatasetInfo {
    let map = (1..=num_species).map(|z| (z, -f64::from(z))).collect();
    DatasetInfo {
        cutoff_distance_angstrom: 4.0,
        max_neighbors_per_atom: None,
        task_list: None,
        atomic_energies_map: AtomicEnergies::Single(map),
        avg_num_neighbors: 14.0,
        avg_num_nodes: 12.0,
        avg_r_min_angstrom: None,
        scaling_mean: 0.0,
        scaling_stdev: 1.0,
        median_num_neighbors: 14,
        max_total_edges: 300,
        median_num_nodes: 9,
        max_num_nodes: 30,
    }
}

fn irreps(text: &str) -> Irreps {
    text.parse().unwrap()
}

#[test]
fn the_default_network_has_the_published_number_of_parameters() {
    for num_species in [4, 89] {
        let network = crate::ModelConfig::from(NequipConfig::default())
            .build(&info(num_species))
            .unwrap();
        let count: usize = network.parameters().iter().map(ParameterSpec::len).sum();
        assert_eq!(count, 242_352 + 63_120 * usize::from(num_species));
    }
}

#[test]
fn the_default_wiring_is_that_of_the_format() {
    let wirings = Wiring::of_layers(&irreps(&NequipConfig::default().node_irreps), 3, 2);
    assert_eq!(*wirings[0].gate.before(), irreps("196x0e+64x1o+4x2e"));
    assert_eq!(wirings[0].num_weights(), 384);
    assert_eq!(wirings[1].input, irreps("128x0e+64x1o+4x2e"));
    assert_eq!(
        *wirings[1].gate.before(),
        irreps("264x0e+64x1o+64x1e+4x2e+4x2o")
    );
    assert_eq!(
        (wirings[1].paths.len(), wirings[1].num_weights()),
        (18, 864)
    );
    let messages = "128x0e+64x0e+4x0e+128x1o+64x1o+64x1o+4x1o+4x1o+64x1e+4x1e\
                    +128x2e+64x2e+64x2e+4x2e+4x2e+64x2o+4x2o+4x2o";
    assert_eq!(wirings[1].messages, irreps(messages));
}

#[test]
fn only_three_paths_of_the_last_layer_are_alive() {
    let wirings = Wiring::of_layers(&irreps(&NequipConfig::default().node_irreps), 3, 2);
    let last = &wirings[1];
    let alive: Vec<_> = last
        .paths
        .iter()
        .zip(last.live_paths())
        .filter(|(_, l)| *l)
        .map(|(p, _)| p)
        .collect();
    let columns: Vec<_> = alive.iter().map(|path| path.columns.clone()).collect();
    assert_eq!(columns, [0..128, 448..512, 844..848]);
    assert_eq!(last.gate.live().ranges(0), std::slice::from_ref(&(0..128)));
    assert!((1..5).all(|entry| last.gate.live().count(entry) == 0));
    assert!(wirings[0].live_paths().iter().all(|live| *live));
}

/// The instructions of the layers as dipm 0.0.8 lists them.
#[test]
fn wiring_equals_the_stored_one() {
    let text = include_str!("../../tests/golden/nequip_wiring.json");
    let stored: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).unwrap();
    assert_eq!(stored.len(), 3);
    for (name, case) in stored {
        let config = &case["config"];
        let node_irreps = irreps(config["node_irreps"].as_str().unwrap());
        let layers = case["layers"].as_array().unwrap();
        let l_max = config["l_max"].as_u64().unwrap() as usize;
        for (wiring, stored) in Wiring::of_layers(&node_irreps, l_max, layers.len())
            .iter()
            .zip(layers)
        {
            let read = |value: &serde_json::Value| irreps(value.as_str().unwrap());
            assert_eq!(wiring.output(), read(&stored["out_irreps"]), "{name}");
            assert_eq!(wiring.sent, read(&stored["tp_in1"]), "{name}");
            assert_eq!(wiring.messages, read(&stored["tp_out"]), "{name}");
            assert_eq!(
                *wiring.gate.before(),
                read(&stored["linear_out_irreps"][1]),
                "{name}"
            );
            let paths = stored["tp_instructions"].as_array().unwrap();
            assert_eq!(wiring.paths.len(), paths.len(), "{name}");
            for (number, (path, stored)) in wiring.paths.iter().zip(paths).enumerate() {
                let slot = wiring
                    .message_order
                    .iter()
                    .position(|p| *p == number)
                    .unwrap();
                assert_eq!(stored["i_in1"], path.input, "{name}");
                assert_eq!(stored["i_in2"], path.degree, "{name}");
                assert_eq!(stored["i_out"], slot, "{name}");
                assert_eq!(stored["path_shape"][0], path.columns.len(), "{name}");
            }
        }
    }
}

#[test]
fn irreps_out_of_reach_are_mentioned() {
    let remarks = |config: NequipConfig| {
        crate::ModelConfig::from(config)
            .build(&info(2))
            .unwrap()
            .remarks()
    };
    let default = remarks(NequipConfig::default());
    assert_eq!(
        default,
        ["128x0o cannot be reached in 2 layers with l_max 3, left out"]
    );
    let deeper = NequipConfig {
        num_layers: 3,
        ..NequipConfig::default()
    };
    assert!(remarks(deeper).is_empty());
}

#[test]
fn all_problems_are_reported_at_once() {
    let config = NequipConfig {
        force_head: true,
        num_layers: 0,
        node_irreps: "4x1o + 1x0e".to_owned(),
        radial_net_nonlinearity: Activation::BetaSwish,
        avg_num_neighbors: Some(-1.0),
        ..NequipConfig::default()
    };
    let keys: Vec<&str> = config.validate().iter().map(|p| p.key).collect();
    let expected = [
        "force_head",
        "num_layers",
        "radial_net_nonlinearity",
        "avg_num_neighbors",
        "node_irreps",
        "node_irreps",
    ];
    assert_eq!(keys, expected);
    assert!(NequipConfig::default().validate().is_empty());
}

#[test]
fn datasets_with_tasks_are_refused() {
    let mut with_tasks = info(2);
    with_tasks.task_list = Some(vec!["a".to_owned()]);
    let error = crate::ModelConfig::from(NequipConfig::default())
        .build(&with_tasks)
        .err()
        .unwrap();
    assert!(error.to_string().contains("tasks"), "{error}");
}
