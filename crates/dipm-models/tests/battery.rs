//! What every architecture must obey. A new architecture adds one line.

mod contract;
#[allow(dead_code)] // the battery needs the structures only
mod stored;

use contract::contract;
use dipm_models::{
    Activation, Envelope, LitenConfig, MaceConfig, NequipConfig, VectorNorm, VisnetConfig,
};

contract!(mace, MaceConfig::small());
contract!(
    mace_of_scalars,
    MaceConfig {
        num_layers: 1,
        l_max: 0,
        correlation: 2,
        num_readout_heads: 2,
        activation: Activation::Tanh,
        radial_envelope: Envelope::Soft,
        ..MaceConfig::small()
    }
);
contract!(
    mace_with_gates_and_pairs,
    MaceConfig {
        num_layers: 3,
        num_channels: 3,
        node_symmetry: Some(1),
        correlation: 2,
        include_pseudotensors: false,
        activation: Activation::Elu,
        radial_envelope: Envelope::Phys,
        gate_nodes: true,
        species_embedding_dim: Some(3),
        ..MaceConfig::small()
    }
);
contract!(
    mace_of_fourth_order,
    MaceConfig {
        num_channels: 3,
        l_max: 1,
        correlation: 4,
        polynomial_degree: 6,
        symmetric_tensor_product_basis: true,
        ..MaceConfig::small()
    }
);
contract!(nequip, NequipConfig::small());
contract!(
    nequip_of_scalars,
    NequipConfig {
        num_layers: 1,
        node_irreps: "4x0e".to_owned(),
        l_max: 0,
        radial_net_nonlinearity: Activation::Tanh,
        radial_envelope: Envelope::Soft,
        ..NequipConfig::small()
    }
);
contract!(
    nequip_of_high_degree,
    NequipConfig {
        num_layers: 2,
        node_irreps: "4x0e + 2x1o + 1x2e + 2x3o + 1x4e".to_owned(),
        l_max: 4,
        radial_net_nonlinearity: Activation::Elu,
        radial_net_n_layers: 1,
        radial_envelope: Envelope::Phys,
        ..NequipConfig::small()
    }
);
contract!(
    visnet,
    VisnetConfig::small(),
    [energy_and_forces_are_smooth_at_the_cutoff_without_message_biases]
);
contract!(
    visnet_of_degree_one,
    VisnetConfig {
        l_max: 1,
        trainable_rbf: true,
        activation: Activation::Tanh,
        attn_activation: Activation::Sigmoid,
        ..VisnetConfig::small()
    },
    [energy_and_forces_are_smooth_at_the_cutoff_without_message_biases]
);
contract!(
    visnet_with_rms,
    VisnetConfig {
        vecnorm_type: VectorNorm::Rms,
        ..VisnetConfig::small()
    },
    [] // the norm divides vectors that vanish at the cutoff by their own length
);
contract!(
    visnet_with_max_min,
    VisnetConfig {
        vecnorm_type: VectorNorm::MaxMin,
        ..VisnetConfig::small()
    },
    [energy_and_forces_are_smooth_at_the_cutoff_without_message_biases]
);
contract!(
    liten,
    LitenConfig::small(),
    [energy_and_forces_are_smooth_at_the_cutoff_without_message_biases]
);
contract!(
    liten_with_charge_and_spin,
    LitenConfig {
        num_layers: 1,
        charge_range: Some(2),
        spin_range: Some(2),
        trainable_rbf: true,
        activation: Activation::Tanh,
        ..LitenConfig::small()
    },
    [energy_and_forces_are_smooth_at_the_cutoff_without_message_biases]
);
