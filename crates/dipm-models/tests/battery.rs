//! What every architecture must obey. A new architecture adds one line.

mod contract;
#[allow(dead_code)] // the battery needs the structures only
mod stored;

use contract::contract;
use dipm_models::{Activation, Envelope, LitenConfig, NequipConfig, VectorNorm, VisnetConfig};

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
