//! A model as equations: energies, forces and stress as fields.

use dipm_data::Batch;
use dipm_field::{Bindings, Field, Graph, Map, ProductTable, Slot, Space, grad};

use crate::layers::{Edges, SPECIES, SPECIES_TABLE};
use crate::noise::Noise;
use crate::structure_classes::ClassRows;
use crate::{
    Architecture, Mode, Model, ModelError, NoiseKey, NoiseSpec, Output, Precision, Real,
    StructureKey,
};

/// Name of the input r_receiver − r_sender + shift · cell in Å, [Edges, 3].
const EDGE_VECTORS: &str = "edge_vectors";
/// Name of the input 1/volume in Å⁻³, [Structures, 1].
const INVERSE_VOLUMES: &str = "inverse_volumes";

/// Energies, forces and stress of a model as fields of a graph.
///
/// Energies are those of the network, `scaling_stdev` times its output. The energies of isolated
/// atoms and `scaling_mean` are not in the graph: they are large and constant, and
/// [`Model::energy_offsets`] sums them in f64.
#[derive(Debug, Clone)]
pub struct Potential<'g> {
    /// eV, [Atoms, 1].
    pub node_energies: Field<'g>,
    /// eV, [Structures, 1].
    pub energies: Field<'g>,
    /// −∂E/∂r, or what the force head says, in eV/Å, [Atoms, 3].
    pub forces: Field<'g>,
    /// ∂E/∂ε for a symmetric strain ε, in eV, row-major, [Structures, 9].
    pub virials: Field<'g>,
    /// virial/volume in eV/Å³, tension > 0, row-major, [Structures, 9].
    pub stress: Field<'g>,
    /// All parameters by name, [Const, shape of the file], in the order of [`Model::parameters`].
    pub parameters: Vec<(String, Field<'g>)>,
    /// The random numbers that it takes; none in evaluation.
    pub noise: Vec<NoiseSpec>,
}

impl<'g> Potential<'g> {
    /// Writes the equations of a model into a graph.
    ///
    /// With gₑ = ∂E/∂vₑ for the vector vₑ of the edge e from j to i:
    /// Fᵢ = Σ_{e from i} gₑ − Σ_{e to i} gₑ and virial = Σₑ ½ (vₑ gₑᵀ + gₑ vₑᵀ). In training, the
    /// numbers of [`Potential::noise`] are bound with [`BatchInputs::with_noise`].
    pub fn new(graph: &'g Graph, model: &Model, precision: Precision, mode: Mode) -> Self {
        let vectors = graph.input(EDGE_VECTORS, Space::Edges, &[3]);
        let edges = Edges::new(vectors, precision, mode);
        let architecture = model.architecture();
        Self::of(
            model,
            architecture.as_ref(),
            &edges,
            architecture.forward(&edges),
        )
    }

    /// What follows from the output of the network of a model.
    pub(crate) fn of(
        model: &Model,
        architecture: &dyn Architecture,
        edges: &Edges<'g>,
        output: Output<'g>,
    ) -> Self {
        let (graph, vectors) = (edges.graph(), edges.vectors);
        let scale = model.dataset_info.scaling_stdev;
        let node_energies = output.node_energies * scale;
        let energies = node_energies.sum(Map::AtomStructure);
        let total = energies.sum(Map::All(Space::Structures)).reshape(&[]);
        let gradient = grad(total, &[vectors])[0]; // [E, 3]
        let forces = match output.forces {
            Some(forces) => forces * scale,
            None => gradient.sum(Map::Sender) - gradient.sum(Map::Receiver),
        };
        let operands = [Some(vectors), Some(gradient), None];
        let virials = graph
            .product(&symmetric_outer_product(), 2, &operands)
            .sum(Map::EdgeStructure);
        let specs = architecture.parameters();
        let parameter = |spec: &crate::ParameterSpec| (spec.name.clone(), spec.field(graph));
        Self {
            node_energies,
            energies,
            forces,
            virials,
            stress: virials * graph.input(INVERSE_VOLUMES, Space::Structures, &[1]),
            parameters: specs.iter().map(parameter).collect(),
            noise: match edges.mode {
                Mode::Training => architecture.noise(),
                Mode::Evaluation => Vec::new(),
            },
        }
    }
}

/// ½ (a bᵀ + b aᵀ), row-major.
fn symmetric_outer_product() -> ProductTable {
    let pairs = (0..3).flat_map(|i| (0..3).map(move |j| (i, j)));
    let entries =
        pairs.flat_map(|(i, j)| [(vec![i, j, 3 * i + j], 0.5), (vec![i, j, 3 * j + i], 0.5)]);
    ProductTable::new(&[3, 3, 9].map(Slot::scalars), entries)
}

/// The numbers of a batch in the precision of the computation.
///
/// Edge vectors are formed in f64 and rounded after, so that large coordinates and cells cost no
/// accuracy.
#[derive(Debug, Clone, Default)]
pub struct BatchInputs<T> {
    edge_vectors: Vec<T>,
    inverse_volumes: Vec<T>,
    num_species: usize,
    structure_rows: Vec<(StructureKey, Vec<u32>)>,
    classes: Option<ClassRows>,
    noise: Noise<T>,
}

impl<T: Real> BatchInputs<T> {
    /// The inputs of a batch for a model, whose parameters are not looked at.
    ///
    /// # Errors
    /// [`ModelError::StructureKey`] when the model has no row for a charge, spin or task.
    pub fn new(model: &Model, batch: &Batch) -> Result<Self, ModelError> {
        let vectors = batch.edge_vectors();
        let rows = |key: StructureKey| Ok((key, key.rows(batch)?));
        let keys = model.structure_keys().into_iter();
        let structure_rows = keys.map(rows).collect::<Result<Vec<_>, ModelError>>()?;
        let classes = model.config.structure_classes();
        Ok(Self {
            edge_vectors: vectors
                .as_flattened()
                .iter()
                .map(|x| T::from_double(*x))
                .collect(),
            inverse_volumes: batch
                .volumes
                .iter()
                .map(|v| T::from_double(v.recip()))
                .collect(),
            num_species: model.species().len(),
            classes: classes.map(|classes| ClassRows::new(classes, &structure_rows, batch)),
            structure_rows,
            noise: Noise::default(),
        })
    }

    /// The same with the random numbers of a step of training.
    pub fn with_noise(mut self, specs: &[NoiseSpec], batch: &Batch, key: NoiseKey) -> Self {
        self.noise = Noise::draw(specs, key, |space| match space {
            Space::Const => 1,
            Space::Structures => batch.num_structures(),
            Space::Atoms => batch.total_atoms(),
            Space::Edges => batch.total_edges(),
            Space::Table(_) => panic!("no random numbers are drawn for the rows of tables"),
        });
        self
    }

    /// Adds row counts, maps and inputs of the batch; parameters are the caller's.
    pub fn bind<'a>(&'a self, batch: &'a Batch, bindings: Bindings<'a, T>) -> Bindings<'a, T> {
        let bindings = bindings
            .rows(Space::Edges, batch.total_edges())
            .rows(Space::Atoms, batch.total_atoms())
            .rows(Space::Structures, batch.num_structures())
            .rows(SPECIES_TABLE, self.num_species)
            .map(Map::Sender, &batch.senders)
            .map(Map::Receiver, &batch.receivers)
            .map(Map::AtomStructure, &batch.atom_structure)
            .map(Map::EdgeStructure, &batch.edge_structure)
            .map(SPECIES, &batch.species)
            .input(EDGE_VECTORS, &self.edge_vectors)
            .input(INVERSE_VOLUMES, &self.inverse_volumes);
        let bindings = match &self.classes {
            Some(classes) => classes.bind(bindings),
            None => bindings,
        };
        let keys = self.structure_rows.iter();
        keys.fold(self.noise.bind(bindings), |bindings, (key, rows)| {
            bindings
                .rows(key.space(), key.num_rows())
                .map(key.map(), rows)
        })
    }
}
