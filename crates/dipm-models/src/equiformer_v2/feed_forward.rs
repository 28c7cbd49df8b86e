//! The network that each atom passes after its messages.

use dipm_field::Field;

use super::EquiformerV2Config;
use crate::ParameterSpec;
use crate::layers::Dense;
use crate::layers::escn::{
    DegreeGate, DegreeLinear, GridMlp, SphereGrid, separable_sphere_silu, sphere_silu, with_scalars,
};

/// y = W₂ act(W₁ x), W matrices by degree.
///
/// Parameters `PREFIX.so3_linear_{1,2}.*`, and as the activation wants `PREFIX.grid_mlp.*`,
/// `PREFIX.scalar_mlp.layers.0.*` or `PREFIX.gating_linear.*`.
#[derive(Debug)]
pub(super) struct FeedForward {
    first: DegreeLinear,
    activation: Activation,
    second: DegreeLinear,
}

/// What stands between the matrices.
#[derive(Debug)]
enum Activation {
    /// A network at the points of a sphere; scalars have one of their own.
    SeparableGrid(GridMlp, Dense),
    /// A network at the points of a sphere.
    Grid(GridMlp),
    Gate(DegreeGate, Dense),
    Separable(SphereGrid, Dense),
    Sphere(SphereGrid),
}

impl FeedForward {
    pub(super) fn new(prefix: &str, config: &EquiformerV2Config, num_out: usize) -> Self {
        let name = |part: &str| format!("{prefix}.{part}");
        let (l_max, hidden) = (config.l_max, config.ffn_hidden_channels);
        let num_in = config.sphere_channels;
        let grid = || SphereGrid::of_nodes(l_max, config.grid_resolution);
        let mlp = || GridMlp::new(&name("grid_mlp"), [hidden; 4], grid());
        let scalars = |part: &str, num: usize| Dense::lecun(&name(part), num_in, num * hidden);
        let separable = config.use_sep_s2_act;
        let activation = match (config.use_grid_mlp, config.use_gate_act) {
            (true, _) if separable => {
                Activation::SeparableGrid(mlp(), scalars("scalar_mlp.layers.0", 1))
            }
            (true, _) => Activation::Grid(mlp()),
            (false, true) => {
                Activation::Gate(DegreeGate::of_nodes(l_max), scalars("gating_linear", l_max))
            }
            (false, false) if separable => {
                Activation::Separable(grid(), scalars("gating_linear", 1))
            }
            (false, false) => Activation::Sphere(grid()),
        };
        Self {
            first: DegreeLinear::new(&name("so3_linear_1"), l_max, num_in, hidden),
            activation,
            second: DegreeLinear::new(&name("so3_linear_2"), l_max, hidden, num_out),
        }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let (mlp, dense) = match &self.activation {
            Activation::SeparableGrid(mlp, dense) => (Some(mlp), Some(dense)),
            Activation::Grid(mlp) => (Some(mlp), None),
            Activation::Gate(_, dense) | Activation::Separable(_, dense) => (None, Some(dense)),
            Activation::Sphere(_) => (None, None),
        };
        self.first
            .parameters()
            .chain(mlp.into_iter().flat_map(GridMlp::parameters))
            .chain(dense.into_iter().flat_map(Dense::parameters))
            .chain(self.second.parameters())
    }

    /// Whether scalars are made of scalars alone.
    pub(super) fn keeps_scalars_apart(&self) -> bool {
        !matches!(self.activation, Activation::Grid(_) | Activation::Sphere(_))
    }

    /// Applies the network to features [K, C].
    pub(super) fn forward<'g>(&self, x: Field<'g>) -> Field<'g> {
        self.second.forward(self.hidden(x))
    }

    /// The scalars of the result, [1, C], from features [K, C]; from scalars [1, C] if they are
    /// kept apart.
    pub(super) fn scalars<'g>(&self, x: Field<'g>) -> Field<'g> {
        let scalars = x.slice(0, 0, 1);
        let hidden = match &self.activation {
            Activation::SeparableGrid(_, dense) | Activation::Separable(_, dense) => {
                dense.forward(scalars).silu()
            }
            Activation::Gate(..) => self.first.degree(scalars, 0).silu(),
            Activation::Grid(_) | Activation::Sphere(_) => self.hidden(x).slice(0, 0, 1),
        };
        self.second.degree(hidden, 0)
    }

    fn hidden<'g>(&self, x: Field<'g>) -> Field<'g> {
        let scalars = |dense: &Dense| {
            let [_, channels] = x.shape()[..] else {
                panic!("a feature has two axes: {x:?}")
            };
            dense.forward(x.slice(0, 0, 1).reshape(&[channels]))
        };
        let h = self.first.forward(x);
        match &self.activation {
            Activation::SeparableGrid(mlp, dense) => {
                with_scalars(scalars(dense).silu(), mlp.forward(h))
            }
            Activation::Grid(mlp) => mlp.forward(h),
            Activation::Gate(gate, dense) => gate.forward(scalars(dense), h),
            Activation::Separable(grid, dense) => separable_sphere_silu(grid, scalars(dense), h),
            Activation::Sphere(grid) => sphere_silu(grid, h),
        }
    }
}
