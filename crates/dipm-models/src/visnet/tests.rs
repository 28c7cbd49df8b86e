use super::*;
use crate::nequip::tests::info;

#[test]
fn the_default_network_has_the_published_number_of_parameters() {
    for num_species in [4, 89] {
        let network = crate::ModelConfig::from(VisnetConfig::default())
            .build(&info(num_species))
            .unwrap();
        let count: usize = network.parameters().iter().map(ParameterSpec::len).sum();
        assert_eq!(count, 4_504_321 + 512 * usize::from(num_species));
    }
}

#[test]
fn all_problems_of_the_options_are_named_at_once() {
    let config = VisnetConfig {
        force_head: true,
        num_layers: 0,
        num_channels: 30,
        l_max: 3,
        attn_activation: Activation::BetaSwish,
        ..VisnetConfig::default()
    };
    let keys: Vec<_> = config.validate().iter().map(|p| p.key).collect();
    let expected = [
        "force_head",
        "num_layers",
        "num_channels",
        "l_max",
        "attn_activation",
    ];
    assert_eq!(keys, expected);
    assert!(VisnetConfig::default().validate().is_empty());
    assert!(VisnetConfig::small().validate().is_empty());
}

#[test]
fn a_dataset_with_tasks_is_refused() {
    let mut with_tasks = info(3);
    with_tasks.task_list = Some(vec!["a".to_owned()]);
    let error = crate::ModelConfig::from(VisnetConfig::small())
        .build(&with_tasks)
        .err()
        .unwrap();
    assert!(error.to_string().contains("no heads for tasks"), "{error}");
}
