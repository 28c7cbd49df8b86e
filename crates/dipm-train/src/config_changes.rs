//! What is different about a run that goes on from a checkpoint.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// What may differ between a run and its continuation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResumeRules {
    /// Keys of the configuration (`train.log_interval`) whose change leaves the model that comes
    /// out as it is.
    pub free_keys: Vec<&'static str>,
    /// Whether all other changes are accepted too.
    pub accept_changes: bool,
}

/// A key with another value than in the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Section and key, `train.weight_decay`.
    pub key: String,
    /// Value in the checkpoint; `None` if the key is new.
    pub was: Option<String>,
    /// Value now; `None` if the key is gone.
    pub is: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<String>| value.clone().unwrap_or("(not there)".to_owned());
        write!(f, "{}: {} → {}", self.key, show(&self.was), show(&self.is))
    }
}

/// The keys that differ between two resolved configurations, sorted by section and key.
///
/// A configuration is lines `section:` and, indented, `key: value`; comments begin with `#`.
pub fn changed_keys(was: &str, is: &str) -> Vec<Change> {
    compare(&keys(was), &keys(is))
}

/// The facts about the data that differ, as `dataset_info.KEY`.
pub(crate) fn changed_facts(was: &Value, is: &Value) -> Vec<Change> {
    let facts = |info: &Value| -> BTreeMap<String, String> {
        let entries = info.as_object().into_iter().flatten();
        entries
            .map(|(key, value)| (format!("dataset_info.{key}"), value.to_string()))
            .collect()
    };
    compare(&facts(was), &facts(is))
}

fn keys(text: &str) -> BTreeMap<String, String> {
    let mut section = "";
    let mut keys = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        if key.starts_with(' ') {
            let key = format!("{section}.{}", key.trim());
            keys.insert(key, value.trim().to_owned());
        } else {
            section = key;
        }
    }
    keys
}

fn compare(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> Vec<Change> {
    let all: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let change = |key: &String| Change {
        key: key.clone(),
        was: was.get(key).cloned(),
        is: is.get(key).cloned(),
    };
    all.into_iter()
        .filter(|key| was.get(*key) != is.get(*key))
        .map(change)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_are_named_with_their_section() {
        let was = "# a comment: yes\nmodel:\n  seed: 1\n  target: NequIP\ntrain:\n  seed: 1\n";
        let is = "model:\n  seed: 2\n  target: NequIP\ntrain:\n  seed: 1\n  loss: mse\n";
        let shown: Vec<String> = changed_keys(was, is)
            .iter()
            .map(Change::to_string)
            .collect();
        assert_eq!(
            shown,
            ["model.seed: 1 → 2", "train.loss: (not there) → mse"]
        );
        assert!(changed_keys(was, was).is_empty());
    }

    #[test]
    fn facts_that_differ_are_named() {
        let [was, is] = [4.0, 5.0].map(|n| serde_json::json!({"cutoff": n, "tasks": null}));
        let shown: Vec<String> = changed_facts(&was, &is)
            .iter()
            .map(Change::to_string)
            .collect();
        assert_eq!(shown, ["dataset_info.cutoff: 4.0 → 5.0"]);
    }
}
