//! The architectures there are, and their options as one type.

use std::str::FromStr;

use dipm_data::{AtomicEnergies, DatasetInfo};
use serde_json::Value;

use crate::architecture::{Architecture, ArchitectureConfig};
use crate::equiformer_v2::EquiformerV2Config;
use crate::liten::LitenConfig;
use crate::mace::MaceConfig;
use crate::nequip::NequipConfig;
use crate::options::fold;
use crate::uma::UmaConfig;
use crate::visnet::VisnetConfig;
use crate::{
    ConfigProblem, ModelError, ParamDtype, ReferenceEnergies, StructureClasses, StructureKey,
};

/// Names of all architectures of the format, supported or not.
const NAMES: [&str; 7] = [
    "mace",
    "nequip",
    "visnet",
    "liten",
    "equiformerv2",
    "uma",
    "so3krates",
];

/// One line an architecture: variant, config and registry name.
macro_rules! architectures {
    ($($variant:ident($config:ty) = $name:literal,)*) => {
        /// A supported architecture.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Target {
            $(#[doc = concat!("`target: ", $name, "`")] $variant,)*
        }

        impl Target {
            /// The supported architectures.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in files.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The options with their defaults.
            pub fn default_config(self) -> ModelConfig {
                match self {
                    $(Self::$variant => ModelConfig::$variant(<$config>::default()),)*
                }
            }

            /// Whether there is such an option, and it has a meaning when it is `null`.
            pub fn takes_null(self, option: &str) -> bool {
                self.read_config(serde_json::json!({ option: null })).is_ok()
            }

            /// Reads options from a JSON object; unknown keys are an error, missing ones take their
            /// defaults.
            ///
            /// # Errors
            /// A sentence naming the key.
            pub fn read_config(self, options: Value) -> Result<ModelConfig, String> {
                match self {
                    $(Self::$variant => {
                        let config: $config =
                            serde_json::from_value(options).map_err(|e| e.to_string())?;
                        Ok(ModelConfig::$variant(config))
                    })*
                }
            }
        }

        /// The options of a model.
        #[derive(Debug, Clone, PartialEq)]
        pub enum ModelConfig {
            $(#[doc = concat!("Options of `", $name, "`.")] $variant($config),)*
        }

        impl ModelConfig {
            /// The architecture.
            pub fn target(&self) -> Target {
                match self {
                    $(Self::$variant(_) => Target::$variant,)*
                }
            }

            /// The options as a JSON object, every key present, in the order of the files.
            pub fn to_json(&self) -> Value {
                let value = match self {
                    $(Self::$variant(config) => serde_json::to_value(config),)*
                };
                value.expect("options are numbers, strings and maps with string keys")
            }

            /// Everything that is wrong with the options.
            pub fn validate(&self) -> Vec<ConfigProblem> {
                match self {
                    $(Self::$variant(config) => config.validate(),)*
                }
            }

            /// How parameters are stored.
            pub fn param_dtype(&self) -> ParamDtype {
                match self {
                    $(Self::$variant(config) => config.param_dtype(),)*
                }
            }

            /// Where the energies of isolated atoms come from; `None` means the dataset.
            pub fn atomic_energies(&self) -> Option<&ReferenceEnergies> {
                match self {
                    $(Self::$variant(config) => config.atomic_energies(),)*
                }
            }

            /// Whether the network tells the tasks of a dataset apart.
            pub fn takes_tasks(&self) -> bool {
                match self {
                    $(Self::$variant(config) => config.takes_tasks(),)*
                }
            }

            /// What the network looks up by structure.
            pub fn structure_keys(&self, info: &DatasetInfo) -> Vec<StructureKey> {
                match self {
                    $(Self::$variant(config) => config.structure_keys(info),)*
                }
            }

            /// Which structures the network treats alike.
            pub fn structure_classes(&self) -> Option<StructureClasses> {
                match self {
                    $(Self::$variant(config) => config.structure_classes(),)*
                }
            }

            fn build_valid(
                &self,
                info: &DatasetInfo,
                num_species: usize,
            ) -> Result<Box<dyn Architecture>, ModelError> {
                match self {
                    $(Self::$variant(config) => config.build(info, num_species),)*
                }
            }
        }

        $(impl From<$config> for ModelConfig {
            fn from(config: $config) -> Self {
                Self::$variant(config)
            }
        })*
    };
}

architectures! {
    Mace(MaceConfig) = "mace",
    Nequip(NequipConfig) = "nequip",
    Visnet(VisnetConfig) = "visnet",
    Liten(LitenConfig) = "liten",
    EquiformerV2(EquiformerV2Config) = "equiformerv2",
    Uma(UmaConfig) = "uma",
}

impl FromStr for Target {
    type Err = ModelError;

    /// Reads a name; case and underscores do not matter.
    fn from_str(text: &str) -> Result<Self, ModelError> {
        let folded = fold(text);
        let list = |names: &[&str]| names.join(", ");
        if let Some(target) = Self::ALL.iter().find(|target| target.name() == folded) {
            return Ok(*target);
        }
        match NAMES.iter().find(|name| **name == folded) {
            Some(name) => Err(ModelError::UnsupportedTarget {
                target: name,
                supported: list(&Self::ALL.iter().map(|t| t.name()).collect::<Vec<_>>()),
            }),
            None => Err(ModelError::UnknownTarget {
                name: text.to_owned(),
                known: list(&NAMES),
            }),
        }
    }
}

impl ModelConfig {
    /// The network for a dataset.
    ///
    /// # Errors
    /// [`ModelError::Config`] with all problems of the options, [`ModelError::Dataset`] when the
    /// dataset does not suit the architecture.
    pub fn build(&self, info: &DatasetInfo) -> Result<Box<dyn Architecture>, ModelError> {
        let target = self.target().name();
        let problems = self.validate();
        if !problems.is_empty() {
            return Err(ModelError::Config { target, problems });
        }
        let refuse = |reason: &str| {
            let reason = reason.to_owned();
            Err(ModelError::Dataset { target, reason })
        };
        if !self.takes_tasks() {
            if !matches!(info.atomic_energies_map, AtomicEnergies::Single(_)) {
                return refuse("it has several tasks, and the network has no heads for tasks");
            }
            if info.task_list.is_some() {
                return refuse("it has a task list, and the network has no heads for tasks");
            }
        }
        match info.atomic_energies_map.elements().len() {
            0 => refuse("it names no elements"),
            num_species => self.build_valid(info, num_species),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_underscores() {
        for text in ["nequip", "NequIP", "Neq_UIP"] {
            assert_eq!(text.parse::<Target>().unwrap(), Target::Nequip);
        }
    }

    #[test]
    fn known_and_unknown_models_are_told_apart() {
        let error = |text: &str| text.parse::<Target>().unwrap_err().to_string();
        assert!(error("So3_krates").contains("`so3krates` is not supported yet"));
        assert!(error("schnet").contains("unknown model `schnet`"));
        assert!(error("schnet").contains("mace, nequip"));
    }

    #[test]
    fn options_survive_json() {
        let config = Target::Nequip.default_config();
        assert_eq!(
            Target::Nequip.read_config(config.to_json()).unwrap(),
            config
        );
        let error = Target::Nequip
            .read_config(serde_json::json!({"num_layer": 2}))
            .unwrap_err();
        assert!(error.contains("num_layer"), "{error}");
    }
}
