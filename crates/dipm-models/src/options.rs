//! Values that the options of several architectures share, with their spellings.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use half::{bf16, f16};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::Precision;

/// A spelling with case, `_`, `-` and blanks ignored.
pub(crate) fn fold(text: &str) -> String {
    let kept = text.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    kept.flat_map(char::to_lowercase).collect()
}

/// Declares an enum written as a word: documentation, name, what it is called in messages, and for
/// each variant the word it is written as and further spellings that are read.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal $(| $also:literal)*,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The words that are written to files, in order.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word written to files.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl FromStr for $name {
            type Err = String;

            /// Reads a word; case, `_` and `-` do not matter. The error lists the allowed words.
            fn from_str(text: &str) -> Result<Self, String> {
                let folded = fold(text);
                $(if [$word $(, $also)*].iter().any(|word| fold(word) == folded) {
                    return Ok(Self::$variant);
                })*
                let allowed = Self::WORDS.join(", ");
                Err(format!(concat!("unknown ", $what, " `{}`, expected one of {}"), text, allowed))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

words! {
    /// A pointwise nonlinearity.
    Activation, "activation" {
        /// tanh x
        Tanh = "tanh",
        /// x σ(x), σ the logistic function.
        Silu = "silu" | "swish",
        /// max(x, 0)
        Relu = "relu",
        /// x above 0, eˣ − 1 below.
        Elu = "elu",
        /// x σ(βx) with a learned β a channel.
        BetaSwish = "beta_swish",
        /// 1/(1 + e⁻ˣ)
        Sigmoid = "sigmoid",
        /// x
        None = "none" | "identity",
    }
}

words! {
    /// A radial envelope: 0 at and beyond the cutoff r_max. u = d/r_max.
    Envelope, "radial envelope" {
        /// 1 − 21 u⁵ + 35 u⁶ − 15 u⁷, or the like of another degree.
        Polynomial = "polynomial" | "polynomial_envelope",
        /// 1.2 e^½ exp(−1/(2 (1 − u)))
        Soft = "soft" | "soft_envelope",
        /// ½ (cos πu + 1)
        Cosine = "cosine" | "cosine_cutoff",
        /// 1 − 6 u⁵ + 15 u⁴ − 10 u³
        Phys = "phys",
        /// exp(−d² / ((r_max − d)(r_max + d)))
        Exponential = "exponential",
    }
}

words! {
    /// How the lengths of vector features are normalised before a layer.
    VectorNorm, "vector norm" {
        /// Divided by the root mean square over channels.
        Rms = "rms",
        /// The shortest of the channels becomes 0 and the longest 1.
        MaxMin = "max_min",
        /// Left as they are.
        None = "none" | "identity",
    }
}

words! {
    /// How features of several degrees are normalised before a layer.
    EquivariantNorm, "norm" {
        /// Each degree by itself.
        LayerNorm = "layer_norm",
        /// Scalars by themselves, all higher degrees by one factor.
        LayerNormSh = "layer_norm_sh",
        /// All degrees by one factor.
        RmsNormSh = "rms_norm_sh",
    }
}

words! {
    /// What stands between the two convolutions of a layer.
    EdgeActivation, "activation" {
        /// Every degree above 0 is multiplied by a sigmoid.
        Gate = "gate",
        /// The silu at points of a sphere around the edge, and of scalars apart.
        S2Sep = "s2_sep",
    }
}

words! {
    /// The network that each atom passes after its messages.
    FeedForward, "feed-forward network" {
        /// Matrices by degree with a gate between them.
        Spectral = "spectral",
        /// A network at the points of a sphere around the atom.
        Grid = "grid",
    }
}

words! {
    /// How a radial network is told the elements at the ends of its edge.
    AtomEdgeEmbedding, "embedding of atoms for edges" {
        /// Not at all.
        None = "none",
        /// By embeddings of its own.
        Isolated = "isolated",
        /// By embeddings that all radial networks share.
        Shared = "shared",
    }
}

words! {
    /// How parameters are stored in a file.
    ParamDtype, "parameter dtype" {
        /// 32 bits.
        F32 = "f32" | "float32" | "float",
        /// IEEE half precision.
        F16 = "f16" | "float16" | "half",
        /// The upper half of an f32.
        Bf16 = "bf16" | "bfloat16",
        /// 64 bits.
        F64 = "f64" | "float64" | "double",
    }
}

impl ParamDtype {
    /// What the parameters of a model in memory are held in: 16 bits are too few to train with.
    pub fn precision(self) -> Precision {
        match self {
            Self::F16 | Self::Bf16 | Self::F32 => Precision::Single,
            Self::F64 => Precision::Double,
        }
    }

    /// Bytes of a parameter in a file.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The nearest number that a file can hold.
    pub fn round(self, value: f64) -> f64 {
        match self {
            Self::F32 => f64::from(value as f32),
            Self::F16 => f16::from_f32(value as f32).to_f64(),
            Self::Bf16 => bf16::from_f32(value as f32).to_f64(),
            Self::F64 => value,
        }
    }
}

/// Energy of an isolated atom that is added for each atom, where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum ReferenceEnergies {
    /// The dataset: `"average"`, the same as leaving the option out.
    Average,
    /// Nothing is added: `"zero"`.
    Zero,
    /// A map from atomic number to energy in eV.
    ///
    /// Differs from dipm 0.0.8: there the keys were indices into the sorted list of elements. Model
    /// files keep those (see [`Model::load`](crate::Model::load)); in memory and in YAML they are
    /// atomic numbers.
    Custom(BTreeMap<u8, f64>),
}

impl Serialize for ReferenceEnergies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Average => serializer.serialize_str("average"),
            Self::Zero => serializer.serialize_str("zero"),
            Self::Custom(map) => {
                serializer.collect_map(map.iter().map(|(z, energy)| (z.to_string(), energy)))
            }
        }
    }
}

impl<'de> Deserialize<'de> for ReferenceEnergies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReferenceEnergiesVisitor)
    }
}

struct ReferenceEnergiesVisitor;

impl<'de> Visitor<'de> for ReferenceEnergiesVisitor {
    type Value = ReferenceEnergies;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`average`, `zero`, or a map from element (atomic number or symbol) to eV")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        match fold(text).as_str() {
            "average" => Ok(ReferenceEnergies::Average),
            "zero" => Ok(ReferenceEnergies::Zero),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut energies = BTreeMap::new();
        while let Some((Element(z), energy)) = map.next_entry::<Element, f64>()? {
            if energies.insert(z, energy).is_some() {
                return Err(de::Error::custom(format!("element {z} is given twice")));
            }
        }
        Ok(ReferenceEnergies::Custom(energies))
    }
}

/// A key that names an element: `8`, `"8"` or `O`.
struct Element(u8);

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl Visitor<'_> for ElementVisitor {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an atomic number or the symbol of an element")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Element, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Element, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Element, E> {
        let z = dipm_data::atomic_number(text.trim());
        z.map(Element)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_ignore_case_and_underscores_and_old_words_are_read() {
        for text in [
            "polynomial",
            "Polynomial",
            "polynomial_envelope",
            "POLYNOMIAL",
        ] {
            assert_eq!(text.parse(), Ok(Envelope::Polynomial));
        }
        assert_eq!("BetaSwish".parse(), Ok(Activation::BetaSwish));
        assert_eq!("bfloat16".parse(), Ok(ParamDtype::Bf16));
        let error = "ssp".parse::<Activation>().unwrap_err();
        assert!(
            error.contains("`ssp`") && error.contains("tanh, silu, relu"),
            "{error}"
        );
    }

    #[test]
    fn every_word_reads_back_to_itself() {
        for word in Activation::WORDS {
            assert_eq!(word.parse::<Activation>().unwrap().word(), *word);
        }
        for word in VectorNorm::WORDS {
            assert_eq!(word.parse::<VectorNorm>().unwrap().word(), *word);
        }
        for word in Envelope::WORDS {
            assert_eq!(word.parse::<Envelope>().unwrap().word(), *word);
        }
    }

    #[test]
    fn reference_energies_are_a_word_or_a_map_of_elements() {
        let read = |text: &str| serde_json::from_str::<ReferenceEnergies>(text);
        assert_eq!(read("\"Average\"").unwrap(), ReferenceEnergies::Average);
        assert_eq!(read("\"zero\"").unwrap(), ReferenceEnergies::Zero);
        let map = read(r#"{"1": -13.6, "O": -2042.0}"#).unwrap();
        let expected = BTreeMap::from([(1, -13.6), (8, -2042.0)]);
        assert_eq!(map, ReferenceEnergies::Custom(expected));
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(read(&text).unwrap(), map);
        for bad in [
            "\"mean\"",
            r#"{"X": 1.0}"#,
            r#"{"0": 1.0}"#,
            r#"{"8": 1.0, "O": 2.0}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
