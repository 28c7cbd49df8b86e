use super::*;
use crate::{Activation, ArchitectureConfig};
use dipm_data::AtomicEnergies;
use std::collections::BTreeMap;

fn info(num_species: u8) -> DatasetInfo {
    let map = (1..=num_species).map(|z| (z, -f64::from(z))).collect();
    DatasetInfo {
        cutoff_distance_angstrom: 4.0,
        max_neighbors_per_atom: None,
        task_list: None,
        atomic_energies_map: AtomicEnergies::Single(map),
        avg_num_neighbors: 14.0,
        avg_num_nodes: 12.0,
        avg_r_min_angstrom: Some(1.0),
        scaling_mean: 0.0,
        scaling_stdev: 1.0,
        median_num_neighbors: 14,
        max_total_edges: 300,
        median_num_nodes: 9,
        max_num_nodes: 30,
    }
}

fn num_parameters(config: &MaceConfig, num_species: u8) -> usize {
    let network = crate::ModelConfig::from(config.clone())
        .build(&info(num_species))
        .unwrap();
    network.parameters().iter().map(ParameterSpec::len).sum()
}

#[test]
fn the_default_network_has_the_published_number_of_parameters() {
    for num_species in [4, 89] {
        let count = num_parameters(&MaceConfig::default(), num_species);
        assert_eq!(count, 1_117_328 + 127_360 * usize::from(num_species));
    }
    let symmetric = MaceConfig {
        symmetric_tensor_product_basis: true,
        ..MaceConfig::default()
    };
    assert_eq!(num_parameters(&symmetric, 4), 1_495_696);
}

#[test]
fn the_default_contraction_takes_few_multiplications() {
    let network = Mace::new(&MaceConfig::default(), &info(4), 4);
    for (layer, most) in network.layers.iter().zip([4000, 1500]) {
        let count = layer.contraction.num_multiplications();
        assert!(count < most, "{count} multiplications a channel");
    }
}

/// The irreps and path counts of the layers as dipm 0.0.8 lists them.
#[test]
fn wiring_equals_the_stored_one() {
    let text = include_str!("../../tests/golden/mace_wiring.json");
    let stored: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).unwrap();
    assert_eq!(stored.len(), 3);
    for (name, case) in stored {
        let config: MaceConfig = serde_json::from_value(case["config"].clone()).unwrap();
        let network = Mace::new(&config, &info(3), 3);
        let layers = case["layers"].as_array().unwrap();
        assert_eq!(network.layers.len(), layers.len(), "{name}");
        for (layer, stored) in network.layers.iter().zip(layers) {
            let read = |key: &str| stored[key].as_str().unwrap().parse::<Irreps>().unwrap();
            assert_eq!(layer.wiring.output, read("out_irreps"), "{name}");
            assert_eq!(layer.wiring.messages, read("conv_out_irreps"), "{name}");
            let features = read("interaction_out_irreps");
            assert_eq!(layer.wiring.features, features, "{name}");
            let paths = stored["contraction"].as_array().unwrap();
            let paths = paths.iter().flat_map(|order| order.as_array().unwrap());
            let paths: Vec<usize> = paths.map(|p| p[0].as_u64().unwrap() as usize).collect();
            let weights = layer.contraction.parameters();
            let found: Vec<usize> = weights.map(|weights| weights.shape[1]).collect();
            assert_eq!(found, paths, "{name}");
        }
    }
}

#[test]
fn the_first_power_of_a_last_layer_reads_scalars_only() {
    let config = MaceConfig {
        num_layers: 1,
        correlation: 1,
        ..MaceConfig::small()
    };
    let layer = &Mace::new(&config, &info(2), 2).layers[0];
    assert_eq!(layer.contraction.read(), [true, false, false]);
    assert_eq!(layer.live_down.count(0), 4);
    assert_eq!(layer.live_down.count(1), 0);
}

#[test]
fn all_problems_are_reported_at_once() {
    let config = MaceConfig {
        force_head: true,
        num_layers: 0,
        num_channels: 0,
        l_max: 1,
        node_symmetry: Some(2),
        correlation: 5,
        readout_irreps: ["4x1o".to_owned(), "x".to_owned()],
        activation: Activation::BetaSwish,
        polynomial_degree: 0,
        avg_r_min: Some(0.0),
        species_embedding_dim: Some(0),
        ..MaceConfig::default()
    };
    let keys: Vec<&str> = config.validate().iter().map(|p| p.key).collect();
    let expected = [
        "force_head",
        "num_layers",
        "num_channels",
        "species_embedding_dim",
        "correlation",
        "polynomial_degree",
        "node_symmetry",
        "activation",
        "avg_r_min",
        "readout_irreps",
        "readout_irreps",
    ];
    assert_eq!(keys, expected);
    assert!(MaceConfig::default().validate().is_empty());
}

#[test]
fn datasets_that_do_not_suit_are_refused() {
    let refused = |info: DatasetInfo| {
        let error = crate::ModelConfig::from(MaceConfig::small())
            .build(&info)
            .err()
            .unwrap();
        error.to_string()
    };
    let mut with_tasks = info(2);
    with_tasks.task_list = Some(vec!["a".to_owned()]);
    assert!(refused(with_tasks).contains("tasks"));
    let mut far = info(2);
    far.avg_r_min_angstrom = Some(4.5);
    assert!(refused(far).contains("4.5"));
}

#[test]
fn readouts_may_give_more_scalars_than_the_energy() {
    let config = MaceConfig {
        readout_irreps: ["4x0e + 2x0e".to_owned(), "3x0e".to_owned()],
        ..MaceConfig::small()
    };
    assert!(config.validate().is_empty());
    let network = crate::ModelConfig::from(config).build(&info(2)).unwrap();
    let last = network.parameters().pop().unwrap();
    assert_eq!(last.shape, [6, 3]);
}
