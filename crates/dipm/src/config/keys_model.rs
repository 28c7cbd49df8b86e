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

const VECTOR_NORM: Kind = Kind::Word {
    words: &["rms", "max_min", "none"],
    also: &[],
};

/// Keys of every architecture.
pub(super) const KEYS: &[Key] = &[
    key(
        "target",
        Kind::Text,
        "required",
        "",
        "Architecture: `NequIP`, `MACE`, `ViSNet` or `LiTEN`. Case and underscores do not matter.",
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
        "Predict forces directly instead of −∂E/∂r. None of the architectures has a force head yet.",
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
    key(
        "num_layers",
        COUNT,
        "(NequIP, MACE and LiTEN 2; ViSNet 4)",
        "",
        "Number of interactions.",
    ),
    key(
        "node_irreps",
        Kind::Text,
        "128x0e + 128x0o + 64x1o + 64x1e + 4x2e + 4x2o",
        "",
        "NequIP: irreps of the features, each once and in order of degree.",
    ),
    key(
        "l_max",
        WHOLE,
        "(NequIP and MACE 3; ViSNet 2)",
        "",
        "Largest degree of the spherical harmonics; 1 or 2 in ViSNet.",
    ),
    key("num_bessel", COUNT, "8", "", "NequIP, MACE: number of radial functions."),
    key(
        "radial_net_nonlinearity",
        ACTIVATION,
        "silu",
        "",
        "NequIP: nonlinearity of the radial network.",
    ),
    key(
        "radial_net_n_hidden",
        COUNT,
        "64",
        "",
        "NequIP: width of the hidden layers of the radial network.",
    ),
    key(
        "radial_net_n_layers",
        COUNT,
        "2",
        "",
        "NequIP: number of hidden layers of the radial network.",
    ),
    key(
        "radial_envelope",
        ENVELOPE,
        "polynomial",
        "",
        "NequIP, MACE: what takes messages to zero at the cutoff.",
    ),
    key(
        "scalar_mlp_std",
        POSITIVE,
        "4.0",
        "",
        "NequIP: factor of the standard deviation with which the hidden layers of the radial network start.",
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
        "NequIP, MACE: mean number of neighbours, by which sums of messages are divided.",
    ),
    key(
        "num_channels",
        COUNT,
        "(MACE 128; ViSNet and LiTEN 256)",
        "",
        "Channels of the features.",
    ),
    key(
        "node_symmetry",
        WHOLE,
        "(l_max)",
        "",
        "MACE: largest degree of the node features between layers, at most `l_max`.",
    ),
    key(
        "correlation",
        COUNT,
        "3",
        "",
        "MACE: largest power in the product basis, at most 4.",
    ),
    key(
        "readout_irreps",
        Kind::Names,
        "[16x0e, 0e]",
        "",
        "MACE: hidden irreps of the last readout, and its output.",
    ),
    key(
        "num_readout_heads",
        COUNT,
        "1",
        "",
        "MACE: readouts of each layer, which are summed.",
    ),
    key(
        "include_pseudotensors",
        Kind::Bool,
        "true",
        "",
        "MACE: whether the product basis is made of both parities of each degree.",
    ),
    key(
        "activation",
        ACTIVATION,
        "silu",
        "",
        "MACE, ViSNet, LiTEN: nonlinearity.",
    ),
    key(
        "polynomial_degree",
        COUNT,
        "5",
        "",
        "MACE: exponent of the polynomial envelope.",
    ),
    key(
        "symmetric_tensor_product_basis",
        Kind::Bool,
        "false",
        "",
        "MACE: whether contraction weights refer to the symmetric basis of couplings.",
    ),
    key(
        "avg_r_min",
        POSITIVE,
        "(that of the dataset)",
        "Å",
        "MACE: mean smallest distance in a structure, which scales the radial functions.",
    ),
    key(
        "gate_nodes",
        Kind::Bool,
        "false",
        "",
        "MACE: gates by element after the product basis.",
    ),
    key(
        "species_embedding_dim",
        COUNT,
        "null",
        "",
        "MACE: width of the embedding of pairs of elements in the radial weights; none if absent.",
    ),
    key(
        "num_heads",
        COUNT,
        "8",
        "",
        "ViSNet, LiTEN: attention heads, which divide the channels.",
    ),
    key(
        "num_rbf",
        COUNT,
        "32",
        "",
        "ViSNet, LiTEN: number of radial functions.",
    ),
    key(
        "trainable_rbf",
        Kind::Bool,
        "false",
        "",
        "ViSNet, LiTEN: whether centres and widths of the radial functions are trained.",
    ),
    key(
        "attn_activation",
        ACTIVATION,
        "silu",
        "",
        "ViSNet: nonlinearity of the attention weights.",
    ),
    key(
        "vecnorm_type",
        VECTOR_NORM,
        "none",
        "",
        "ViSNet: normalisation of the vector features.",
    ),
    key(
        "charge_range",
        COUNT,
        "null",
        "e",
        "LiTEN: largest total charge, of either sign, that is embedded; none if absent.",
    ),
    key(
        "spin_range",
        COUNT,
        "null",
        "",
        "LiTEN: number of spin states that are embedded, from 0; none if absent.",
    ),
];
