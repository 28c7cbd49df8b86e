//! The symmetric contraction: polynomials of a feature, with weights by species.

use dipm_field::{Field, Graph, ProductTable, Slot};
use dipm_o3::{BasisKind, ClebschGordan, Coupling, Irrep, Irreps, NestedContraction, Term};

use crate::layers::{Block, on_atoms, species_rows};
use crate::{Init, ParameterSpec};

/// B_L\[i\] = Σ_ν Σ_k W⁽ᵛ⁾\[s, k\] Σ U⁽ᵛ⁾\[a₁, …, a_ν, k, i\] x\[a₁\] … x\[a_ν\], channel by channel, s
/// the species of the atom and U the coupling bases of orders 1 to ν.
///
/// Batatia et al., NeurIPS 2022, arXiv:2206.07697, eqs. (10) and (11). Parameters
/// `PREFIX.contractions.q.weights.k`, [S, κ, C], q = 0 for the highest order, k counting the irreps
/// that are reached at that order.
///
/// U is never formed: weights are folded, species by species, to those of few covariants, which
/// are products of two lower ones: squares of x, squares times x, squares times squares.
#[derive(Debug, Clone)]
pub struct SymmetricContraction {
    weights: Vec<ParameterSpec>,
    terms: Vec<Term>,
    /// For each entry of x, whether it is read.
    read: Vec<bool>,
    /// Products that give the squares, cubes and fourth powers.
    tables: [Option<ProductTable>; 3],
    /// For each order, the sum over its covariants with their weights.
    sums: [Option<ProductTable>; 4],
    output: Irreps,
}

/// Irreps of covariants and where their components start.
struct Layout {
    irreps: Vec<(Irrep, usize)>,
    dim: usize,
}

impl Layout {
    fn new(irreps: impl Iterator<Item = Irrep>) -> Self {
        let mut dim = 0;
        let place = |irrep: Irrep| {
            dim += irrep.dim();
            (irrep, dim - irrep.dim())
        };
        let irreps = irreps.map(place).collect();
        Self { irreps, dim }
    }

    fn of(couplings: &[Coupling]) -> Self {
        Self::new(couplings.iter().map(|coupling| coupling.irrep))
    }
}

impl SymmetricContraction {
    /// The contraction of a feature with single copies of `irreps` an atom and channel, sorted, to
    /// `keep`.
    pub fn new(
        prefix: &str,
        kind: BasisKind,
        irreps: &Irreps,
        keep: &Irreps,
        max_order: usize,
        [num_species, channels]: [usize; 2],
    ) -> Self {
        let nested = NestedContraction::new(kind, irreps, max_order, keep);
        let mut weights = Vec::new();
        let mut counts = vec![0; max_order];
        for term in &nested.terms {
            let q = max_order - term.order;
            let name = format!("{prefix}.contractions.{q}.weights.{}", counts[q]);
            counts[q] += 1;
            let init = Init::Normal((term.num_paths as f64).sqrt().recip());
            let shape = [num_species, term.num_paths, channels];
            weights.push(ParameterSpec::new(name, &shape, init));
        }
        let read = nested.read_entries(irreps.len());
        // Entries that are not read keep their number but have no components.
        let mut x = Layout::new(std::iter::empty());
        for (entry, read) in irreps.iter().zip(&read) {
            x.irreps.push((entry.irrep, x.dim));
            x.dim += if *read { entry.irrep.dim() } else { 0 };
        }
        let squares = Layout::of(&nested.squares);
        let cubes = Layout::of(&nested.cubes);
        let fourths = Layout::of(&nested.fourths);
        let reached = |irrep| nested.terms.iter().any(|term| term.irrep == irrep);
        let output = keep.regroup().filter(reached);
        let result = Layout::new(output.iter().map(|entry| entry.irrep));
        let layouts = [&x, &squares, &cubes, &fourths];
        let sum = |order: usize| sum_table(&nested.terms, order, layouts[order - 1], &result);
        Self {
            tables: [
                coupling_table(&nested.squares, &x, &x, &squares, true),
                coupling_table(&nested.cubes, &squares, &x, &cubes, false),
                coupling_table(&nested.fourths, &squares, &squares, &fourths, true),
            ],
            sums: [1, 2, 3, 4].map(sum),
            weights,
            terms: nested.terms,
            read,
            output,
        }
    }

    /// The irreps of the result, each irrep once.
    pub fn output(&self) -> &Irreps {
        &self.output
    }

    /// For each entry of x, whether the result depends on it.
    pub fn read(&self) -> &[bool] {
        &self.read
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.weights.iter()
    }

    /// Products an atom and channel, each of an entry of a table.
    pub fn num_multiplications(&self) -> usize {
        let tables = self.tables.iter().chain(&self.sums).flatten();
        tables.map(|table| table.entries().len()).sum()
    }

    /// Applies the contraction to a feature over atoms.
    pub fn forward<'g>(&self, graph: &'g Graph, x: &[Block<'g>]) -> Vec<Block<'g>> {
        let read = x.iter().zip(&self.read).filter(|(_, read)| **read);
        let blocks: Vec<Field<'g>> = read
            .map(|(block, _)| block.expect("what is read is live"))
            .collect();
        let x = graph.concat(&blocks, 0); // [D, C]
        let product = |table: &Option<ProductTable>, a: Option<Field<'g>>, b: Option<Field<'g>>| {
            let table = table.as_ref()?;
            Some(graph.product(table, 2, &[Some(a?), Some(b?), None]))
        };
        let squares = product(&self.tables[0], Some(x), Some(x));
        let cubes = product(&self.tables[1], squares, Some(x));
        let fourths = product(&self.tables[2], squares, squares);
        let weights = on_atoms(self.folded_weights(graph)); // [P, C]
        let covariants = [Some(x), squares, cubes, fourths];
        let sums = self.sums.iter().zip(covariants);
        let orders = sums.filter_map(|(table, of_order)| product(table, Some(weights), of_order));
        let sum = orders
            .reduce(|a, b| a + b)
            .expect("order 1 reaches the irreps of x");
        let mut start = 0;
        let slice = |entry: &dipm_o3::MulIrrep| {
            start += entry.irrep.dim();
            Some(sum.slice(0, start - entry.irrep.dim(), entry.irrep.dim()))
        };
        self.output.iter().map(slice).collect()
    }

    /// Σ_k fold\[p, k\] W\[s, k\] for the covariants p of all terms, [P, C] over species.
    fn folded_weights<'g>(&self, graph: &'g Graph) -> Field<'g> {
        let folded = |(term, weights): (&Term, &ParameterSpec)| {
            let count = term.covariants.len();
            let fold = graph.constant(&term.fold, &[count, term.num_paths]);
            let by_path = weights.field(graph).permute(&[0, 2, 1]); // [S, C, κ]
            by_path.contract(fold.transpose()).permute(&[0, 2, 1])
        };
        let terms = self.terms.iter().zip(&self.weights);
        let parts: Vec<Field<'g>> = terms.map(folded).collect();
        species_rows(graph.concat(&parts, 1))
    }
}

/// All couplings as one product; `symmetric` when both factors are the same feature.
fn coupling_table(
    couplings: &[Coupling],
    left: &Layout,
    right: &Layout,
    result: &Layout,
    symmetric: bool,
) -> Option<ProductTable> {
    let mut entries = Vec::new();
    for (coupling, (irrep, start)) in couplings.iter().zip(&result.irreps) {
        let ((a, i), (b, j)) = (left.irreps[coupling.left], right.irreps[coupling.right]);
        for c in ClebschGordan::new(a.l, b.l, irrep.l).nonzeros() {
            let (mut i, mut j) = (i + c.i, j + c.j);
            if symmetric && i > j {
                (i, j) = (j, i); // x_i x_j once
            }
            let coefficient = (irrep.dim() as f64).sqrt() * c.value;
            entries.push((vec![i, j, start + c.k], coefficient));
        }
    }
    let slots = [left.dim, right.dim, result.dim].map(Slot::channels);
    (!couplings.is_empty()).then(|| ProductTable::new(&slots, entries))
}

/// Σ_p w_p · covariant_p over the covariants of one order.
fn sum_table(
    terms: &[Term],
    order: usize,
    covariants: &Layout,
    result: &Layout,
) -> Option<ProductTable> {
    let mut entries = Vec::new();
    let mut weight = 0;
    for term in terms {
        for &covariant in &term.covariants {
            if term.order == order {
                let to = result.irreps.iter().find(|(irrep, _)| *irrep == term.irrep);
                let (irrep, to) = *to.expect("the result has the irreps of all terms");
                let (_, from) = covariants.irreps[covariant];
                entries.extend((0..irrep.dim()).map(|m| (vec![weight, from + m, to + m], 1.0)));
            }
            weight += 1;
        }
    }
    let slots = [weight, covariants.dim, result.dim].map(Slot::channels);
    (!entries.is_empty()).then(|| ProductTable::new(&slots, entries))
}
