//! What is different about a run that goes on from a checkpoint.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// Share of itself by which a number about the same data may differ between two processors.
const ROUNDING: f64 = 1e-9;

/// What may differ between a run and its continuation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResumeRules {
    /// Keys of the configuration (`train.log_interval`) whose change leaves the model that comes
    /// out as it is.
    pub free_keys: Vec<&'static str>,
    /// Keys of the configuration that have their default. An earlier version that did not know such
    /// a key did what the default says.
    pub default_keys: Vec<String>,
    /// Whether all other changes are accepted too.
    pub accept_changes: bool,
}

impl ResumeRules {
    /// Whether a run goes on as it would have in spite of a change of the configuration.
    pub(crate) fn allow(&self, change: &Change) -> bool {
        let is_new = change.was.is_none();
        self.free_keys.contains(&change.key.as_str())
            || is_new && self.default_keys.contains(&change.key)
    }
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

/// The facts about the data that differ by more than the rounding of another processor, as
/// `dataset_info.KEY`. A fact that was not there is one that an earlier version did not know.
pub(crate) fn changed_facts(was: &Value, is: &Value) -> Vec<Change> {
    let before = was.as_object().into_iter().flatten();
    let changed = before.filter(|(key, value)| is.get(key).is_none_or(|now| !nearly(value, now)));
    let mut changes: Vec<Change> = changed
        .map(|(key, value)| Change {
            key: format!("dataset_info.{key}"),
            was: Some(value.to_string()),
            is: is.get(key).map(Value::to_string),
        })
        .collect();
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    changes
}

/// Another number of ranks: an update then sees another number of structures.
pub(crate) fn changed_ranks(was: u64, is: u64) -> Option<Change> {
    (was != is).then(|| Change {
        key: "number of processes".to_owned(),
        was: Some(was.to_string()),
        is: Some(is.to_string()),
    })
}

/// Whether two values are the same but for the rounding of their numbers.
fn nearly(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let [a, b] = [a, b].map(|x| x.as_f64().unwrap_or(f64::NAN));
            (a - b).abs() <= ROUNDING * a.abs().max(b.abs())
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| nearly(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(key, a)| b.get(key).is_some_and(|b| nearly(a, b));
            a.len() == b.len() && a.iter().all(same)
        }
        _ => a == b,
    }
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
        let shown = |was, is| -> Vec<String> {
            let changes = changed_facts(was, is);
            changes.iter().map(Change::to_string).collect()
        };
        assert_eq!(shown(&was, &is), ["dataset_info.cutoff: 4.0 → 5.0"]);
        let [short, long] = [vec![1.0], vec![1.0, 2.0]].map(|list| serde_json::json!({"a": list}));
        assert_eq!(shown(&short, &long), ["dataset_info.a: [1.0] → [1.0,2.0]"]);
        assert_eq!(shown(&was, &short).len(), 2);
    }

    #[test]
    fn rounding_and_facts_of_later_versions_are_no_changes() {
        let was = serde_json::json!({"energies": {"1": -13.6, "8": -2041.5}, "tasks": null});
        let same = serde_json::json!({"energies": {"1": -13.6, "8": -2_041.500_000_000_1}, "tasks": null, "new": 3});
        assert_eq!(changed_facts(&was, &same), []);
        let other = serde_json::json!({"energies": {"1": -13.6, "8": -2_041.500_1}, "tasks": null});
        assert_eq!(changed_facts(&was, &other).len(), 1);
    }

    #[test]
    fn a_key_that_an_earlier_version_did_not_know_may_have_its_default() {
        let rules = ResumeRules {
            free_keys: vec!["train.wandb"],
            default_keys: vec!["train.policy".to_owned(), "train.decay".to_owned()],
            accept_changes: false,
        };
        let was = "train:\n  decay: 0.5\n  wandb: a\n";
        let is = "train:\n  decay: 0.9\n  wandb: b\n  policy: stop\n  scale: 2\n";
        let refused = changed_keys(was, is)
            .into_iter()
            .filter(|c| !rules.allow(c));
        let refused: Vec<String> = refused.map(|change| change.key).collect();
        assert_eq!(refused, ["train.decay", "train.scale"]);
    }
}
