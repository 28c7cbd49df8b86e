//! The output of LiTEN, one for each task.

use dipm_field::{Field, Map};

use crate::layers::LayerNorm;
use crate::{Activation, Init, ParameterSpec, StructureKey};

/// ε of the norm.
const EPSILON: f64 = 1e-5;

/// ε = W_out act(W_in LN(x) + b_in) + b_out, C → C/2 → 1, with the weights of the structure's task.
///
/// Parameters `PREFIX.out_norm`, `PREFIX.readout_energy.lin_in` and `.lin_out`, each of these `.kernel` [n_in, n_out] and `.bias`
/// `[n_out]`, preceded by an axis of tasks where there are several.
#[derive(Debug)]
pub(super) struct Readout {
    activation: Activation,
    task: Option<StructureKey>,
    norm: LayerNorm,
    layers: [[ParameterSpec; 2]; 2],
}

impl Readout {
    pub fn new(
        prefix: &str,
        num_channels: usize,
        activation: Activation,
        task: Option<StructureKey>,
    ) -> Self {
        let half = num_channels / 2;
        let layer = |name: &str, num_in: usize, num_out: usize| {
            let with_tasks = |shape: &[usize]| -> Vec<usize> {
                let num_tasks = task.map(StructureKey::num_rows);
                num_tasks.iter().chain(shape).copied().collect()
            };
            // The axis of tasks counts as input.
            let init = Init::lecun(task.map_or(1, StructureKey::num_rows) * num_in);
            let (kernel, bias) = (with_tasks(&[num_in, num_out]), with_tasks(&[num_out]));
            [
                ParameterSpec::new(
                    format!("{prefix}.readout_energy.{name}.kernel"),
                    &kernel,
                    init,
                ),
                ParameterSpec::new(
                    format!("{prefix}.readout_energy.{name}.bias"),
                    &bias,
                    Init::Constant(0.0),
                ),
            ]
        };
        Self {
            activation,
            task,
            norm: LayerNorm::new(&format!("{prefix}.out_norm"), num_channels, EPSILON),
            layers: [
                layer("lin_in", num_channels, half),
                layer("lin_out", half, 1),
            ],
        }
    }

    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let norm = self.norm.parameters();
        norm.chain(self.layers.iter().flatten())
    }

    /// Energies of atoms, [1], from their scalars `[C]`.
    pub fn forward<'g>(&self, scalars: Field<'g>) -> Field<'g> {
        let hidden = self.dense(0, self.norm.forward(scalars));
        self.dense(1, self.activation.apply(hidden))
    }

    fn dense<'g>(&self, layer: usize, x: Field<'g>) -> Field<'g> {
        let [kernel, bias] = self.layers[layer].each_ref().map(|p| p.field(x.graph()));
        match self.task {
            None => x.contract(kernel) + bias,
            Some(task) => {
                let bias = task.select(bias).gather(Map::AtomStructure);
                x.contract_by(task.select(kernel), Map::AtomStructure) + bias
            }
        }
    }
}
