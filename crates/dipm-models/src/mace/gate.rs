//! The gate after the contraction.

use dipm_field::Graph;
use dipm_o3::{Irrep, Irreps};

use crate::layers::{Block, SPECIES, species_rows};
use crate::{Init, ParameterSpec};

/// B ← B ∘ (q K\[s\] + b\[s\]), q the scalars of B and s the species of the atom: one factor a copy.
///
/// Parameters `PREFIX.gate_kernel`, [S, C, copies], and `PREFIX.gate_bias`, [S, copies].
#[derive(Debug, Clone)]
pub(super) struct SpeciesGate {
    kernel: ParameterSpec,
    bias: ParameterSpec,
    irreps: Irreps,
}

impl SpeciesGate {
    /// A gate for features with these irreps.
    pub fn new(prefix: &str, irreps: &Irreps, num_species: usize) -> Self {
        let scalars = irreps.count(Irrep::SCALAR);
        let copies = irreps.num_copies();
        let init = Init::Normal((scalars as f64).sqrt().recip());
        let shape = [num_species, scalars, copies];
        let bias = [num_species, copies];
        Self {
            kernel: ParameterSpec::new(format!("{prefix}.gate_kernel"), &shape, init),
            bias: ParameterSpec::new(format!("{prefix}.gate_bias"), &bias, Init::Normal(0.01)),
            irreps: irreps.clone(),
        }
    }

    pub fn parameters(&self) -> [&ParameterSpec; 2] {
        [&self.kernel, &self.bias]
    }

    pub fn forward<'g>(&self, graph: &'g Graph, x: &[Block<'g>]) -> Vec<Block<'g>> {
        let scalars = x[0].expect("scalars are live"); // [1, C]
        let kernel = species_rows(self.kernel.field(graph));
        let bias = species_rows(self.bias.field(graph)).gather(SPECIES);
        let factors = scalars.contract_by(kernel, SPECIES) + bias; // [1, copies]
        let mut start = 0;
        let gated = |(block, entry): (&Block<'g>, &dipm_o3::MulIrrep)| {
            let factor = factors.slice(1, start, entry.mul);
            start += entry.mul;
            block.map(|block| block * factor)
        };
        x.iter().zip(self.irreps.iter()).map(gated).collect()
    }
}
