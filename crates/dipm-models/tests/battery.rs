//! What every architecture must obey. A new architecture adds one line.

mod contract;
#[allow(dead_code)] // the battery needs the structures only
mod stored;

use contract::contract;
use dipm_models::{
    Activation, AtomEdgeEmbedding, EdgeActivation, Envelope, EquiformerV2Config, EquivariantNorm,
    FeedForward, LitenConfig, MaceConfig, NequipConfig, UmaConfig, VectorNorm, VisnetConfig,
};

// EquiformerV2 has no cutoff function, so nothing is smooth at the cutoff, and it tells left from
// right.
contract!(
    equiformer_v2,
    EquiformerV2Config {
        grid_resolution: Some(20),
        ..EquiformerV2Config::small()
    },
    [],
    [
        rotation_turns_forces_and_stress_but_for_the_grid
        a_mirror_image_has_another_energy
        forces_are_minus_the_energy_gradient
        single_precision_agrees_with_double
    ]
);
contract!(
    equiformer_v2_with_gates,
    EquiformerV2Config {
        num_layers: 3,
        m_max: 2,
        norm_type: EquivariantNorm::LayerNorm,
        use_gate_act: true,
        use_grid_mlp: false,
        ..EquiformerV2Config::small()
    },
    [],
    [
        rotation_turns_forces_and_stress
        a_mirror_image_has_another_energy
        forces_are_minus_the_energy_gradient
        single_precision_agrees_with_double
    ]
);
contract!(
    equiformer_v2_with_a_force_head,
    EquiformerV2Config {
        force_head: true,
        use_gate_act: true,
        use_grid_mlp: false,
        use_m_share_rad: true,
        ..EquiformerV2Config::small()
    },
    [],
    [
        rotation_turns_forces_and_stress
        a_mirror_image_has_another_energy
        the_force_head_can_be_dropped
        single_precision_agrees_with_double
    ]
);
contract!(
    equiformer_v2_with_grids_in_place_of_gates,
    EquiformerV2Config {
        l_max: 3,
        norm_type: EquivariantNorm::RmsNormSh,
        grid_resolution: Some(24),
        use_attn_renorm: false,
        use_grid_mlp: false,
        use_sep_s2_act: false,
        atom_edge_embedding: AtomEdgeEmbedding::None,
        ..EquiformerV2Config::small()
    },
    [],
    [
        rotation_turns_forces_and_stress_but_for_the_grid
        a_mirror_image_has_another_energy
        forces_are_minus_the_energy_gradient
        single_precision_agrees_with_double
    ]
);
contract!(
    equiformer_v2_of_order_zero,
    EquiformerV2Config {
        num_layers: 1,
        m_max: 0,
        atom_edge_embedding: AtomEdgeEmbedding::Shared,
        grid_resolution: Some(20),
        ..EquiformerV2Config::small()
    },
    [],
    [
        rotation_turns_forces_and_stress_but_for_the_grid
        reflection_turns_forces_and_stress // with real parts only, left equals right
        forces_are_minus_the_energy_gradient
        single_precision_agrees_with_double
    ]
);
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
    [], // the norm divides vectors that vanish at the cutoff by their own length
    [
        rotation_turns_forces_and_stress
        reflection_turns_forces_and_stress
        forces_are_minus_the_energy_gradient
        single_precision_agrees_with_double_to_4e_4 // those of the crystal nearly vanish by symmetry
    ]
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
// UMA tells left from right where it keeps orders above 0.
contract!(
    uma,
    UmaConfig::small(),
    [energy_and_forces_are_smooth_at_the_cutoff],
    [
        rotation_turns_forces_and_stress
        a_mirror_image_has_another_energy
        forces_are_minus_the_energy_gradient
        single_precision_agrees_with_double
    ]
);
contract!(
    uma_of_one_kernel,
    UmaConfig {
        l_max: 3,
        m_max: 3,
        num_experts: 0,
        norm_type: EquivariantNorm::LayerNorm,
        ..UmaConfig::small()
    },
    [energy_and_forces_are_smooth_at_the_cutoff],
    [
        rotation_turns_forces_and_stress
        a_mirror_image_has_another_energy
        forces_are_minus_the_energy_gradient
        single_precision_agrees_with_double
    ]
);
contract!(
    uma_of_order_zero,
    UmaConfig {
        m_max: 0,
        num_experts: 2,
        norm_type: EquivariantNorm::RmsNormSh,
        mole_dropout: 0.1,
        ..UmaConfig::small()
    },
    [energy_and_forces_are_smooth_at_the_cutoff]
);
contract!(
    uma_on_grids,
    UmaConfig {
        num_layers: 1,
        act_type: EdgeActivation::S2Sep,
        ff_type: FeedForward::Grid,
        grid_resolution: Some(26),
        ..UmaConfig::small()
    },
    [energy_and_forces_are_smooth_at_the_cutoff],
    [
        rotation_turns_forces_and_stress_but_for_the_grid
        a_mirror_image_has_another_energy
        forces_are_minus_the_energy_gradient
        single_precision_agrees_with_double
    ]
);
contract!(
    uma_with_a_force_head,
    UmaConfig {
        force_head: true,
        ..UmaConfig::small()
    },
    [energy_and_forces_are_smooth_at_the_cutoff],
    [
        rotation_turns_forces_and_stress
        a_mirror_image_has_another_energy
        the_force_head_can_be_dropped
        single_precision_agrees_with_double
    ]
);
