//! Keys of `model`.

use super::schema::{COUNT, Key, Kind, POSITIVE, Support, WHOLE, key};

/// Words of number types, and their other spellings.
pub(super) const DTYPE: Kind = Kind::Word {
    words: &["float32", "float64", "float16", "bfloat16"],
    also: &[
        ("f32", "float32"),
        ("float", "float32"),
        ("f64", "float64"),
        ("double", "float64"),
        ("f16", "float16"),
        ("half", "float16"),
        ("bf16", "bfloat16"),
    ],
};

/// Number types that can be computed with.
pub(super) const DTYPES: Support = Support::Only(&["float32", "float64"], "half precision");

const ACTIVATION: Kind = Kind::Word {
    words: &[
        "tanh",
        "silu",
        "relu",
        "elu",
        "beta_swish",
        "sigmoid",
        "none",
    ],
    also: &[("swish", "silu"), ("identity", "none")],
};

const ENVELOPE: Kind = Kind::Word {
    words: &["polynomial", "soft", "cosine", "phys", "exponential"],
    also: &[
        ("polynomial_envelope", "polynomial"),
        ("soft_envelope", "soft"),
        ("cosine_cutoff", "cosine"),
    ],
};

/// Keys of every architecture.
pub(super) const KEYS: &[Key] = &[
    key(
        "target",
        Kind::Text,
        "required",
        "",
        "Architecture: `NequIP`. Case and underscores do not matter.",
    ),
    key("seed", WHOLE, "42", "", "Seed of the initial parameters."),
    key(
        "predict_stress",
        Kind::Bool,
        "(true if a stress weight is above 0, else false)",
        "",
        "Whether the model predicts the stress. Not in 0.0.8.",
    ),
    key(
        "pretrained",
        Kind::Path,
        "null",
        "",
        "Model file to start from.",
    )
    .support(Support::NotYet("training from a saved model")),
    key(
        "drop_force_head",
        Kind::Bool,
        "false",
        "",
        "Remove the force head of a pretrained model; also read in `train`.",
    )
    .support(Support::Only(&["false"], "training from a saved model")),
    key(
        "dtype",
        DTYPE,
        "(that of the parameters)",
        "",
        "Number type of the computation; also read in `train`.",
    )
    .support(DTYPES),
    key(
        "force_head",
        Kind::Bool,
        "false",
        "",
        "Predict forces directly instead of −∂E/∂r. NequIP has no force head.",
    )
    .support(Support::Only(&["false"], "a force head")),
    key(
        "param_dtype",
        DTYPE,
        "float32",
        "",
        "Number type of the parameters in the saved file.",
    )
    .support(Support::Only(
        &["float32"],
        "storing parameters in another type than float32",
    )),
    key("num_layers", COUNT, "2", "", "Number of interactions."),
    key(
        "node_irreps",
        Kind::Text,
        "128x0e + 128x0o + 64x1o + 64x1e + 4x2e + 4x2o",
        "",
        "Irreps of the features, each once and in order of degree.",
    ),
    key(
        "l_max",
        WHOLE,
        "3",
        "",
        "Largest degree of the spherical harmonics.",
    ),
    key("num_bessel", COUNT, "8", "", "Number of radial functions."),
    key(
        "radial_net_nonlinearity",
        ACTIVATION,
        "silu",
        "",
        "Nonlinearity of the radial network.",
    ),
    key(
        "radial_net_n_hidden",
        COUNT,
        "64",
        "",
        "Width of the hidden layers of the radial network.",
    ),
    key(
        "radial_net_n_layers",
        COUNT,
        "2",
        "",
        "Number of hidden layers of the radial network.",
    ),
    key(
        "radial_envelope",
        ENVELOPE,
        "polynomial",
        "",
        "What takes messages to zero at the cutoff.",
    ),
    key(
        "scalar_mlp_std",
        POSITIVE,
        "4.0",
        "",
        "Factor of the standard deviation with which the hidden layers of the radial network start.",
    ),
    key(
        "atomic_energies",
        Kind::Energies,
        "average",
        "eV",
        "Energies of isolated atoms: fitted to the dataset, none, or given. Keys of a map are atomic numbers or \
         symbols; in 0.0.8 they were positions in the list of elements.",
    ),
    key(
        "avg_num_neighbors",
        POSITIVE,
        "(that of the dataset)",
        "",
        "Mean number of neighbours, by which sums of messages are divided.",
    ),
];
