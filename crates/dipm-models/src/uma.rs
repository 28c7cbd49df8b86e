//! UMA: messages in the frame of each edge, with kernels mixed from experts by what the structure
//! is.
//!
//! Wood et al., arXiv:2506.23971; Fu et al., arXiv:2502.12147 (eSEN); Passaro and Zitnick,
//! arXiv:2302.03655 (eSCN). Parameters carry the names of the saved weights.
//! Shapes: C channels, K = (L + 1)² coefficients of an atom, K_r ≤ K of an edge, X experts. Rows:
//! atoms, edges, and classes of structures of the same charge, spin and task.
//!
//! Differs from dipm 0.0.8, which drops the embeddings of the atoms and gives most edges of a batch
//! the kernels of another structure.

mod conditioning;
mod config;
mod layer;

use dipm_data::DatasetInfo;
use dipm_field::{Field, Space};

use crate::layers::escn::{
    DegreeLinear, EdgeRotation, EndEmbeddings, Gauge, Gaussians, Mixture, RadialMlp, SphereGrid,
    SphericalNorm, edge_degree,
};
use crate::layers::{Dense, Edges, Embedding, SPECIES};
use crate::{
    Architecture, Distribution, EdgeActivation, Envelope, FeedForward, Init, NoiseSpec, Output,
    ParameterSpec, class_of,
};
use conditioning::{Router, StructureEmbedding};
pub use config::UmaConfig;
use layer::{Layer, Surroundings};

/// Width of the radial functions in units of their distance.
const RADIAL_WIDTH: f64 = 2.0;
/// By what the sum over the edges of an atom is divided at first.
const EDGE_DEGREE_DIVISOR: f64 = 5.0;
/// Degree of the polynomial envelope.
const ENVELOPE_DEGREE: i32 = 5;

/// The network.
#[derive(Debug)]
struct Uma {
    r_max: f64,
    structures: StructureEmbedding,
    /// `None` without experts.
    router: Option<Router>,
    atoms: Embedding,
    ends: EndEmbeddings,
    radial: Gaussians,
    rotation: EdgeRotation,
    /// Angles by which edges are turned in training, where that matters.
    roll: Option<NoiseSpec>,
    edge_degree: RadialMlp,
    layers: Vec<Layer>,
    norm: SphericalNorm,
    energy_head: [Dense; 3],
    force_head: Option<DegreeLinear>,
    /// What the user should know of the grids.
    remark: Option<String>,
}

impl Uma {
    fn new(config: &UmaConfig, info: &DatasetInfo, num_species: usize) -> Self {
        let r_max = info.cutoff_distance_angstrom;
        let (channels, hidden) = (config.sphere_channels, config.hidden_channels);
        let name = |part: &str| format!("backbone.{part}");
        let coefficients = config.coefficients();
        // A gate does not depend on the turn of a frame about its edge.
        let is_gate = config.act_type == EdgeActivation::Gate;
        let gauge = if is_gate { Gauge::Free } else { Gauge::Fixed };
        let roll = || NoiseSpec::new("rotation", Space::Edges, &[], Distribution::Angle);
        let num_axial = coefficients.num_degrees() * channels;
        let head =
            |q, num_in, num_out| Dense::lecun(&format!("energy_head.layers.{q}"), num_in, num_out);
        Self {
            r_max,
            structures: StructureEmbedding::new("charge_spin_task_embed", info, channels),
            router: (config.num_experts > 0).then(|| Router::new(config, num_species)),
            atoms: Embedding::new(&name("sphere_embedding"), num_species, channels),
            ends: EndEmbeddings::new(
                "backbone",
                num_species,
                config.edge_channels,
                Init::Between(0.0, 0.001),
            ),
            radial: Gaussians::new(config.num_rbf, r_max, RADIAL_WIDTH)
                .learned(&name("distance_expansion")),
            rotation: EdgeRotation::new(coefficients, false, gauge),
            roll: (!is_gate).then(roll),
            edge_degree: config.radial_mlp(&name("edge_degree_embedding.rad_func"), num_axial),
            layers: (0..config.num_layers)
                .map(|t| Layer::new(config, &name(&format!("layers.{t}"))))
                .collect(),
            norm: SphericalNorm::new(&name("norm"), config.norm_type, config.l_max, channels),
            energy_head: [
                head(0, channels, hidden),
                head(2, hidden, hidden),
                head(4, hidden, 1),
            ],
            force_head: config
                .force_head
                .then(|| DegreeLinear::new("force_head", 1, channels, 1)),
            remark: grid_remark(config),
        }
    }

    /// Embeddings of the structures, `[C]` over classes, and what layers know of the edges.
    fn surroundings<'a, 'g>(&'a self, edges: &Edges<'g>) -> (Field<'g>, Surroundings<'a, 'g>) {
        let graph = edges.graph();
        let structures = self.structures.forward(graph);
        let mixture = match &self.router {
            Some(router) => Mixture::Experts {
                weights: router.forward(structures, edges.mode),
                map: class_of(Space::Edges),
            },
            None => Mixture::Single,
        };
        let roll = self
            .roll
            .as_ref()
            .and_then(|roll| roll.in_mode(graph, edges.mode));
        let surroundings = Surroundings {
            frames: self.rotation.frames(edges, roll),
            radial: self.radial.forward(edges.distance),
            ends: self.ends.tables(graph),
            envelope: Envelope::Polynomial.apply(edges.distance, self.r_max, ENVELOPE_DEGREE),
            mixture,
        };
        (structures, surroundings)
    }

    /// What the edges of an atom are, [K, C].
    fn edge_degree<'g>(&self, edges: &Surroundings<'_, 'g>) -> Field<'g> {
        let axial = edges.enveloped(edges.weights(&self.edge_degree));
        edge_degree(axial, &edges.frames, EDGE_DEGREE_DIVISOR)
    }

    /// Layers and heads.
    fn refine<'g>(&self, x: Field<'g>, edges: &Surroundings<'_, 'g>) -> Output<'g> {
        let layers = self.layers.iter();
        let x = self
            .norm
            .forward(layers.fold(x, |x, layer| layer.forward(x, edges)));
        let channels = x.shape()[1];
        let [first, second, third] = &self.energy_head;
        let hidden = first.forward(x.slice(0, 0, 1).reshape(&[channels])).silu();
        let hidden = second.forward(hidden).silu();
        let forces = |head: &DegreeLinear| head.degree(x.slice(0, 1, 3), 1).reshape(&[3]);
        Output {
            node_energies: third.forward(hidden),
            forces: self.force_head.as_ref().map(forces),
        }
    }
}

impl Architecture for Uma {
    fn parameters(&self) -> Vec<ParameterSpec> {
        self.structures
            .parameters()
            .chain(self.router.iter().flat_map(Router::parameters))
            .chain(self.atoms.parameters())
            .chain(self.ends.parameters())
            .chain(self.radial.parameters())
            .chain(self.edge_degree.parameters())
            .chain(self.layers.iter().flat_map(Layer::parameters))
            .chain(self.norm.parameters())
            .chain(self.energy_head.iter().flat_map(Dense::parameters))
            .chain(self.force_head.iter().flat_map(DegreeLinear::parameters))
            .cloned()
            .collect()
    }

    fn remarks(&self) -> Vec<String> {
        self.remark.iter().cloned().collect()
    }

    fn noise(&self) -> Vec<NoiseSpec> {
        let dropout = self
            .router
            .iter()
            .flat_map(|router| router.dropout().noise());
        dropout.chain(&self.roll).cloned().collect()
    }

    /// xᵢ = (Emb(zᵢ) + c in degree 0) + edge degree, then layers and heads.
    fn forward<'g>(&self, edges: &Edges<'g>) -> Output<'g> {
        let graph = edges.graph();
        let (structures, surroundings) = self.surroundings(edges);
        let scalars =
            self.atoms.forward(graph, SPECIES) + structures.gather(class_of(Space::Atoms));
        let sum = self.edge_degree(&surroundings);
        let [num, channels] = sum.shape()[..] else {
            unreachable!("a feature has two axes")
        };
        let start = scalars.reshape(&[1, channels]).pad(0, 0, num);
        self.refine(start + sum, &surroundings)
    }
}

/// Grids make what a network says depend on the orientation.
fn grid_remark(config: &UmaConfig) -> Option<String> {
    let on_edges = config.act_type == EdgeActivation::S2Sep;
    if !on_edges && config.ff_type == FeedForward::Spectral {
        let set = config.grid_resolution.is_some();
        return set.then(|| {
            "`grid_resolution` does not matter: nothing acts on a grid with `act_type: gate` and \
             `ff_type: spectral`"
                .to_owned()
        });
    }
    let [latitudes, longitudes] = if on_edges {
        SphereGrid::shape(config.coefficients(), config.grid_resolution)
    } else {
        let coefficients = crate::layers::escn::Coefficients::new(config.l_max, config.l_max);
        SphereGrid::shape(coefficients, config.grid_resolution)
    };
    config.grid_resolution.is_none().then(|| {
        format!(
            "features are activated on spheres of {latitudes} × {longitudes} points, so that \
             energies depend on the orientation a little; `grid_resolution: 18` makes it less"
        )
    })
}

#[cfg(test)]
mod tests;
