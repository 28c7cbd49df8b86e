//! What every architecture must obey. A new architecture adds one line.

mod contract;
#[allow(dead_code)] // the battery needs the structures only
mod stored;

use contract::contract;
use dipm_models::{Activation, Envelope, NequipConfig};

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
