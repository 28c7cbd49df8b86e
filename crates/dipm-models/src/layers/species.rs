//! Layers whose matrix depends on the chemical element of the atom.

use dipm_field::{Field, Graph, Map, Space};
use dipm_o3::{Irreps, MulIrrep};

use crate::layers::{Block, Live, live};
use crate::{Init, ParameterSpec};

/// Number of the table whose rows are the species.
const TABLE: u8 = 0;

/// The table whose rows are the species of the model.
pub const SPECIES_TABLE: Space = Space::Table(TABLE);

/// Atom → its species.
pub const SPECIES: Map = Map::Index {
    from: Space::Atoms,
    table: TABLE,
};

/// A field over species, read at each atom; a field over atoms as it is.
pub fn on_atoms(field: Field<'_>) -> Field<'_> {
    if field.space() == SPECIES_TABLE {
        field.gather(SPECIES)
    } else {
        field
    }
}

/// Reads a parameter [S, …] as one row a species.
pub fn species_rows(parameter: Field<'_>) -> Field<'_> {
    parameter.as_rows(TABLE)
}

/// h\[s\] = S^(−½) W\[s\]: a linear map of the one-hot of the species to scalars.
///
/// Parameter `PREFIX.kernels.0` (or another name), [S, C]. The result is a field over species, not over atoms: there
/// are few species, so layers that see nothing but the species are applied there.
#[derive(Debug, Clone)]
pub struct SpeciesEmbedding {
    weights: ParameterSpec,
}

impl SpeciesEmbedding {
    /// An embedding of S species in C channels.
    pub fn new(prefix: &str, num_species: usize, channels: usize) -> Self {
        Self::named(&format!("{prefix}.kernels.0"), num_species, channels)
    }

    /// An embedding whose parameter has a name of its own.
    pub fn named(name: &str, num_species: usize, channels: usize) -> Self {
        let weights = ParameterSpec::new(name, &[num_species, channels], Init::Normal(1.0));
        let weights = weights.divided_by_root_of_species();
        Self { weights }
    }

    /// The parameter.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        std::iter::once(&self.weights)
    }

    /// The embedding, [1, C] over species.
    pub fn forward<'g>(&self, graph: &'g Graph) -> Field<'g> {
        let [num_species, channels] = self.weights.shape[..] else {
            unreachable!("an embedding has two axes");
        };
        let rows = self
            .weights
            .field(graph)
            .as_rows(TABLE)
            .reshape(&[1, channels]);
        rows * (num_species as f64).sqrt().recip()
    }
}

/// y_o\[m, w\] = Σ_i (mul_i S n_o)^(−½) Σ_u x_i\[m, u\] W\[u, s, w\], s the species of the atom:
/// the fully connected tensor product with the one-hot of the species.
///
/// n_o is the number of entries i with the irrep of o. Parameters `PREFIX.weights.k`, [mul_i, S,
/// mul_o], k counting pairs of equal irreps, input entries outer. Outputs that nothing leads to are
/// zero.
#[derive(Debug, Clone)]
pub struct SpeciesLinear {
    output: Irreps,
    kernels: Vec<Kernel>,
}

#[derive(Debug, Clone)]
struct Kernel {
    weights: ParameterSpec,
    input: usize,
    output: usize,
    factor: f64,
}

impl SpeciesLinear {
    /// The map between two simplified lists of irreps.
    pub fn new(prefix: &str, input: &Irreps, output: &Irreps, num_species: usize) -> Self {
        let mut kernels = Vec::new();
        for (i, a) in input.iter().enumerate() {
            for (o, b) in output
                .iter()
                .enumerate()
                .filter(|(_, b)| b.irrep == a.irrep)
            {
                let name = format!("{prefix}.weights.{}", kernels.len());
                let shape = [a.mul, num_species, b.mul];
                let paths = input.iter().filter(|c| c.irrep == b.irrep).count();
                let weights = ParameterSpec::new(name, &shape, Init::Normal(1.0));
                kernels.push(Kernel {
                    weights: weights.divided_by_root_of_species(),
                    input: i,
                    output: o,
                    factor: ((a.mul * num_species * paths) as f64).sqrt().recip(),
                });
            }
        }
        Self {
            output: output.clone(),
            kernels,
        }
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.kernels.iter().map(|kernel| &kernel.weights)
    }

    /// Applies the map to a feature over atoms or over species; of each output entry only the live
    /// copies are computed.
    pub fn forward<'g>(&self, graph: &'g Graph, x: &[Block<'g>], live: &Live) -> Vec<Block<'g>> {
        let result = |o: usize, entry: &MulIrrep| {
            if live.count(o) == 0 {
                return None;
            }
            let terms = self
                .kernels
                .iter()
                .filter(|kernel| kernel.output == o)
                .map(|kernel| {
                    let x = x[kernel.input].expect("what a live output reads is live");
                    let weights = live::columns(kernel.weights.field(graph), live.ranges(o));
                    let of_species = weights.permute(&[1, 0, 2]).as_rows(TABLE);
                    own_matrix(x, of_species) * kernel.factor
                });
            let zeros = || graph.zeros(Space::Const, &[entry.irrep.dim(), live.count(o)]);
            Some(terms.reduce(|a, b| a + b).unwrap_or_else(zeros))
        };
        self.output
            .iter()
            .enumerate()
            .map(|(o, entry)| result(o, entry))
            .collect()
    }
}

/// x [d, K] times the matrix [K, N] of its species.
fn own_matrix<'g>(x: Field<'g>, matrices: Field<'g>) -> Field<'g> {
    if x.space() == Space::Atoms {
        return x.contract_by(matrices, SPECIES);
    }
    let [rows, inner] = x.shape()[..] else {
        panic!("a block has two axes: {x:?}")
    };
    let columns = matrices.shape()[1];
    let product = x.reshape(&[rows, inner, 1]) * matrices;
    product.sum_axes(&[1]).reshape(&[rows, columns])
}
