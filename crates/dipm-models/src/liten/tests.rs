use super::*;
use crate::nequip::tests::info;

#[test]
fn the_default_network_has_the_published_number_of_parameters() {
    for num_species in [4, 89] {
        let network = crate::ModelConfig::from(LitenConfig::default())
            .build(&info(num_species))
            .unwrap();
        let count: usize = network.parameters().iter().map(ParameterSpec::len).sum();
        assert_eq!(count, 1_095_169 + 256 * usize::from(num_species));
    }
}

#[test]
fn all_problems_of_the_options_are_named_at_once() {
    let config = LitenConfig {
        force_head: true,
        num_rbf: 0,
        num_channels: 30,
        spin_range: Some(0),
        activation: Activation::BetaSwish,
        ..LitenConfig::default()
    };
    let keys: Vec<_> = config.validate().iter().map(|p| p.key).collect();
    let expected = [
        "force_head",
        "num_rbf",
        "spin_range",
        "num_channels",
        "activation",
    ];
    assert_eq!(keys, expected);
    assert!(LitenConfig::default().validate().is_empty());
    assert!(LitenConfig::small().validate().is_empty());
}

#[test]
fn tables_are_those_of_the_options_and_tasks() {
    let mut info = info(3);
    let config = LitenConfig {
        charge_range: Some(3),
        spin_range: Some(4),
        ..LitenConfig::small()
    };
    assert!(LitenConfig::small().structure_keys(&info).is_empty());
    let rows = |info: &DatasetInfo| -> Vec<usize> {
        let keys = config.structure_keys(info);
        keys.into_iter().map(StructureKey::num_rows).collect()
    };
    assert_eq!(rows(&info), [7, 4]);
    info.task_list = Some(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(rows(&info), [7, 4, 2]);
    info.task_list = Some(vec!["a".to_owned()]);
    assert_eq!(rows(&info), [7, 4]);
}
