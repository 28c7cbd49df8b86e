//! Which parameters weight decay touches.

/// Whether each parameter decays, by its dotted name.
///
/// With `mask`, and if the model has linear maps that mix channels after a message or a product
/// (a component of the name contains `linear_down`) or symmetric contractions (a component is
/// `contraction`, the attribute under which MACE keeps them), only those decay. A model with
/// neither, or `mask` false: everything decays.
///
/// Differs from dipm 0.0.8: there the contractions were looked for under the name of their class,
/// which no parameter carries, so that the contraction weights of MACE never decayed although the
/// MACE paper decays them.
pub fn decayed_parameters<'a>(names: impl IntoIterator<Item = &'a str>, mask: bool) -> Vec<bool> {
    let chosen: Vec<bool> = names
        .into_iter()
        .map(|name| {
            name.split('.')
                .any(|part| part.contains("linear_down") || part == "contraction")
        })
        .collect();
    let restricted = mask && chosen.contains(&true);
    chosen
        .into_iter()
        .map(|chosen| chosen || !restricted)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::decayed_parameters;

    #[test]
    fn mace_decays_contractions_and_the_linear_maps_before_them() {
        let names = [
            "mace_block.node_embed.embeddings",
            "mace_block.layers.0.interaction.linear_down.kernels.0",
            "mace_block.layers.0.equivariant_product.contraction.contractions.0.weights.1",
            "mace_block.layers.0.equivariant_product.linear_out.kernels.0",
        ];
        assert_eq!(decayed_parameters(names, true), [false, true, true, false]);
        assert_eq!(decayed_parameters(names, false), [true; 4]);
    }

    #[test]
    fn a_model_without_such_parameters_decays_everything() {
        let names = [
            "nequip_model.layers.0.linear_in.kernels.0",
            "nequip_model.node_embeddings.kernels.0",
        ];
        assert_eq!(decayed_parameters(names, true), [true; 2]);
    }
}
