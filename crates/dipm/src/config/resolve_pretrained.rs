//! The `model` section when it starts from a saved model.

use std::sync::Arc;

use dipm_models::Model;
use serde_json::Value as Json;

use super::error::Problem;
use super::resolve_dataset::Folder;
use super::resolve_model::{display, given, predict_stress, trainable};
use super::section::Values;
use crate::run_config::{ModelSection, Pretrained};

/// The option that may differ from the file: data of another method have other atomic energies.
const ENERGIES: &str = "atomic_energies";

/// Reports keys that mean nothing without a saved model.
pub(super) fn refuse_without(model: &Values, train: &Values, problems: &mut Vec<Problem>) {
    for (values, key) in [
        (model, "drop_force_head"),
        (train, "drop_force_head"),
        (model, "refit_atomic_energies"),
    ] {
        if values.is(key) {
            let message = format!("`{key}` needs `pretrained` in `model`");
            let label = "a new model is made as its options say";
            problems.push(values.problem(key, message).label(label));
        }
    }
}

/// The section; `None` when there is no such model, which has been reported.
pub(super) fn resolve(
    values: &Values,
    train: &Values,
    has_stress_weight: bool,
    folder: &Folder<'_>,
    problems: &mut Vec<Problem>,
) -> Option<ModelSection> {
    let path = folder.find(&values.text("pretrained")?);
    let drop_force_head = drop_force_head(values, train, problems);
    let mut refuse = |message: String| {
        problems.push(
            values
                .problem("pretrained", message)
                .label("expected a model file of this program or of dipm 0.0.8"),
        );
    };
    if !path.is_file() {
        refuse(format!("there is no file {}", path.display()));
        return None;
    }
    let loaded = Model::load(&path).and_then(|model| match drop_force_head {
        true => model.without_force_head(),
        false => Ok(model),
    });
    let mut model = match loaded {
        Ok(model) => model,
        Err(error) => {
            refuse(error.to_string());
            return None;
        }
    };
    check_target(values, &model, problems);
    check_options(values, &mut model, problems);
    let refit_atomic_energies = values.is("refit_atomic_energies");
    if refit_atomic_energies && values.entry(ENERGIES).is_some() {
        let message = format!("`refit_atomic_energies` and `{ENERGIES}` exclude each other");
        problems.push(
            values
                .problem("refit_atomic_energies", message)
                .label("remove one of the two"),
        );
    }
    if values.entry("seed").is_some() {
        let message = "`seed` has no meaning with `pretrained`".to_owned();
        let label = "no parameter starts at random; leave the key out";
        problems.push(values.problem("seed", message).label(label));
    }
    let stress = predict_stress(values, has_stress_weight, problems);
    Some(ModelSection {
        config: model.config.clone(),
        seed: 0,
        predict_stress: stress.unwrap_or(model.predict_stress || has_stress_weight),
        pretrained: Some(Pretrained {
            path,
            model: Arc::new(model),
            drop_force_head,
            refit_atomic_energies,
        }),
    })
}

/// Read in both sections.
fn drop_force_head(model: &Values, train: &Values, problems: &mut Vec<Problem>) -> bool {
    let key = "drop_force_head";
    let given = [model, train].map(|values| values.entry(key).map(|_| values.is(key)));
    if let [Some(there), Some(here)] = given
        && here != there
    {
        let message = format!("`{key}` is {here} here, but {there} in `model`");
        problems.push(train.problem(key, message).label("remove one of the two"));
    }
    given.contains(&Some(true))
}

fn check_target(values: &Values, model: &Model, problems: &mut Vec<Problem>) {
    let Some(written) = values.text("target") else {
        return;
    };
    let target = model.config.target();
    if trainable(&written) != Some(target) {
        let name = display(target.name());
        let message = format!("`target` is {written}, but the pretrained model is of {name}");
        problems.push(
            values
                .problem("target", message)
                .label("leave the key out: the file says it"),
        );
    }
}

/// Options come from the file. Those of the section must say the same, but for the atomic energies,
/// which are replaced.
fn check_options(values: &Values, model: &mut Model, problems: &mut Vec<Problem>) {
    let target = model.config.target();
    let of_file = model.config.to_json();
    for (key, value) in given(values, target, problems) {
        let mut options = of_file.clone();
        options[&key] = value.clone();
        match target.read_config(options) {
            Ok(config) if key == ENERGIES => model.config = config,
            Ok(config) if config.to_json() == of_file => {}
            _ => {
                let message = format!(
                    "`{key}` is {}, but the pretrained model has {}",
                    shown(&value),
                    shown(&of_file[&key])
                );
                let label = "options come from the file; leave this key out";
                problems.push(values.problem(&key, message).label(label));
            }
        }
    }
}

fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
