//! A resolved configuration as JSON, for those who log it.

use serde_json::Value as Json;

use super::tree::{Node, Value, parse};
use crate::run_config::RunConfig;

impl RunConfig {
    /// The sections `model`, `dataset` and `train` of [`RunConfig::to_yaml`] as objects.
    pub fn to_json(&self) -> Json {
        let root = parse(&self.to_yaml()).expect("what was written is YAML");
        json(&root.expect("there are three sections"))
    }
}

fn json(node: &Node) -> Json {
    match &node.value {
        _ if node.is_null() => Json::Null,
        Value::Scalar { text, quoted: true } => Json::from(text.as_str()),
        // a number or truth value; what is neither, such as `mse` or `.inf`, is a text
        Value::Scalar { text, .. } => {
            serde_json::from_str(text).unwrap_or_else(|_| Json::from(text.as_str()))
        }
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key.text().unwrap_or_default().to_owned(), json(value)))
            .collect(),
    }
}
