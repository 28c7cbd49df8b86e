//! The documentation of the keys is that of the table.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use dipm::config::schema::{Section, Support};
use dipm::config::{GOLDEN_OPTIONS, tests_of};

#[test]
fn the_documentation_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md");
    let text = dipm::config::documentation();
    if std::env::var_os("DIPM_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        stored, text,
        "docs/config.md is out of date; DIPM_BLESS=1 writes it"
    );
}

#[test]
fn every_key_has_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for section in Section::ALL {
        for key in section.keys() {
            let tests = tests_of(section, key);
            // keys of which one value is supported, or none, are refused with others
            let works = key.support == Support::Full || key.name == "dtype";
            assert_eq!(tests.is_empty(), !works, "{}", key.name);
            for (i, (file, test)) in tests.iter().enumerate() {
                let text = std::fs::read_to_string(root.join(file))
                    .unwrap_or_else(|e| panic!("{file}: {e}"));
                let (before, _) = text
                    .split_once(&format!("fn {test}("))
                    .unwrap_or_else(|| panic!("{file} has no test {test}"));
                assert!(before.trim_end().ends_with("#[test]"), "{test} is no test");
                // the first test is a run with the key in its file
                assert!(
                    i > 0 || text.contains(key.name),
                    "{file} does not name {}",
                    key.name
                );
            }
        }
    }
}

#[test]
fn stored_results_have_several_values_of_the_options_they_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dipm-models/tests/golden");
    let mut values: HashMap<String, HashSet<String>> = HashMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path().join("golden.json");
        // other cases of UMA are compared in a test of their own
        let name = path.display().to_string();
        if name.contains("uma_") && !name.contains("uma_fixed") {
            continue;
        }
        let Ok(text) = std::fs::read(&path) else {
            continue;
        };
        let golden: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let target = golden["target"].as_str().unwrap();
        for (option, value) in golden["config"].as_object().unwrap() {
            let key = format!("{target}.{option}");
            values.entry(key).or_default().insert(value.to_string());
        }
    }
    for option in GOLDEN_OPTIONS {
        let end = format!(".{option}");
        let varied = values
            .iter()
            .any(|(key, values)| key.ends_with(&end) && values.len() > 1);
        assert!(varied, "{option} has one value in all stored results");
    }
}
