//! The one pass over the data: statistics, checks and the facts of the pre-flight report.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rayon::prelude::*;

use crate::atomic_energies::composition;
use crate::dataset::{Item, reference_energy};
use crate::dataset_info::AtomicEnergies;
use crate::elements::{symbol_list, symbol_or_number};
use crate::error::{DataError, MAX_PROBLEMS};
use crate::graph::Graph;
use crate::labels::{LabelKeys, LabelSources};
use crate::report::{Exclusion, FileReport};
use crate::species::SpeciesTable;
use crate::statistics::{Contribution, Statistics};
use crate::structure::{Origin, Structure};
use crate::structure_file::StructureFile;

/// Structures analysed in parallel before their results are added up in file order.
const CHUNK: usize = 512;

/// Labels without which a structure is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredLabels {
    /// Total energy.
    pub energy: bool,
    /// Forces.
    pub forces: bool,
    /// Stress or virial.
    pub stress: bool,
}

impl Default for RequiredLabels {
    /// Energy and forces.
    fn default() -> Self {
        Self {
            energy: true,
            forces: true,
            stress: false,
        }
    }
}

/// How structures are turned into graphs and what is asked of them.
#[derive(Debug, Clone)]
pub(crate) struct ScanRules {
    pub keys: LabelKeys,
    pub r_max: f64,
    pub max_neighbors_per_atom: Option<usize>,
    /// Structures with more atoms are left out.
    pub max_atoms: Option<usize>,
    /// Structures with more directed edges are left out.
    pub max_edges: Option<usize>,
    /// Elements that the model has; `None` takes every element.
    pub known: Option<SpeciesTable>,
    /// Leave structures with other elements out instead of refusing them.
    pub exclude_unknown_elements: bool,
    pub required: RequiredLabels,
    /// Atomic energies that formation energies need (`use_formation_energies`).
    pub subtracted: Option<AtomicEnergies>,
}

/// What the pass keeps of one structure.
struct Analysis {
    contribution: Contribution,
    exclusion: Option<Exclusion>,
    /// Atomic number, for a structure that is one free atom.
    isolated: Option<u8>,
    sources: LabelSources,
    forces: Option<[f64; 3]>,
    state: u32,
    shape: [f64; 2],
    ignored_cell: bool,
}

/// Result of the pass over one file.
#[derive(Debug)]
pub(crate) struct FileScan {
    pub report: FileReport,
    /// Structures to use, with sizes.
    pub items: Vec<Item>,
    /// Energies of free atoms, eV.
    pub isolated_atoms: BTreeMap<u8, f64>,
}

/// Problems found so far: the first ones and how many.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    first: Vec<DataError>,
    total: usize,
}

impl Problems {
    pub(crate) fn push(&mut self, problem: DataError) {
        self.total += 1;
        if self.first.len() < MAX_PROBLEMS {
            self.first.push(problem);
        }
    }

    pub(crate) fn into_result(self) -> Result<(), DataError> {
        match self.total {
            0 => Ok(()),
            total => Err(DataError::from_problems(self.first, total)),
        }
    }
}

/// Reads every structure of a file once, in parallel; adds what is kept to `statistics`.
pub(crate) fn scan_file(
    file: &StructureFile,
    file_index: usize,
    task: Option<usize>,
    rules: &ScanRules,
    mut statistics: Option<&mut Statistics>,
    problems: &mut Problems,
) -> FileScan {
    let mut scan = FileScan {
        report: FileReport::new(file.path()),
        items: Vec::with_capacity(file.len()),
        isolated_atoms: BTreeMap::new(),
    };
    for start in (0..file.len()).step_by(CHUNK) {
        let range = start..(start + CHUNK).min(file.len());
        let analyses: Vec<Result<Analysis, DataError>> = range
            .clone()
            .into_par_iter()
            .with_min_len(4)
            .map(|index| analyse(file, index, task, rules))
            .collect();
        for (index, analysis) in range.zip(analyses) {
            match analysis {
                Ok(analysis) => {
                    scan.add(&analysis, file_index, index);
                    let statistics = statistics.as_deref_mut().filter(|_| analysis.is_used());
                    if let Some(statistics) = statistics {
                        statistics.add(&analysis.contribution, task);
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
    }
    scan
}

impl Analysis {
    fn is_used(&self) -> bool {
        self.exclusion.is_none()
    }
}

impl FileScan {
    fn add(&mut self, analysis: &Analysis, file: usize, index: usize) {
        let report = &mut self.report;
        let contribution = &analysis.contribution;
        report.num_structures += 1;
        report.labels.add(&analysis.sources);
        if let Some(z) = analysis.isolated {
            report.num_isolated += 1;
            if let Some(energy) = contribution.energy {
                self.isolated_atoms.entry(z).or_insert(energy);
            }
        }
        if let Some(exclusion) = analysis.exclusion {
            *report.excluded.entry(exclusion).or_default() += 1;
            return;
        }
        report.num_used += 1;
        report.num_atoms += contribution.num_atoms as u64;
        report.num_edges += contribution.num_edges as u64;
        report.num_ignored_cells += usize::from(analysis.ignored_cell);
        let lonely = contribution.num_atoms - contribution.neighbor_counts.len();
        report.num_lonely_atoms += lonely as u64;
        if lonely > 0 && report.first_lonely.is_none() {
            report.first_lonely = Some(Origin::new(&report.file, index));
        }
        report
            .edges_per_atom_range
            .add(contribution.num_edges as f64 / contribution.num_atoms as f64);
        for (z, n) in &contribution.composition {
            *report.elements.entry(*z).or_default() += u64::from(*n);
        }
        if let Some(energy) = contribution.energy {
            report
                .energy_per_atom
                .add(energy / contribution.num_atoms as f64);
        }
        if let Some([least, sum, most]) = analysis.forces {
            report
                .force_norm
                .add_many(least, sum, most, contribution.num_atoms as u64);
        }
        self.items.push(Item {
            file: file as u32,
            index: index as u32,
            num_atoms: contribution.num_atoms as u32,
            num_edges: contribution.num_edges as u32,
            state: analysis.state,
            shape: analysis.shape,
        });
    }
}

/// Reads one structure, checks it and sums it up.
fn analyse(
    file: &StructureFile,
    index: usize,
    task: Option<usize>,
    rules: &ScanRules,
) -> Result<Analysis, DataError> {
    let (mut structure, sources) = file.read(index, &rules.keys)?;
    structure.task = task;
    let composition = composition(&structure.atomic_numbers);
    let unknown = unknown_element(&structure, &composition, rules)?;
    let graph = Graph::new(structure, rules.r_max, rules.max_neighbors_per_atom)?;
    let structure = &graph.structure;
    let (num_atoms, num_edges) = (graph.num_atoms(), graph.num_edges());
    let is_isolated = structure.is_marked_isolated() || (num_atoms == 1 && num_edges == 0);
    let exclusion = if is_isolated {
        Some(Exclusion::IsolatedAtom)
    } else if unknown {
        Some(Exclusion::UnknownElement)
    } else if num_atoms == 0 {
        Some(Exclusion::NoAtoms)
    } else if rules.max_atoms.is_some_and(|most| num_atoms > most) {
        Some(Exclusion::TooManyAtoms)
    } else if num_edges == 0 {
        Some(Exclusion::NoEdges)
    } else if rules.max_edges.is_some_and(|most| num_edges > most) {
        Some(Exclusion::TooManyEdges)
    } else {
        check_labels(file, structure, rules)?;
        if let Some(energies) = &rules.subtracted {
            reference_energy(structure, energies)?;
        }
        None
    };
    Ok(Analysis {
        isolated: is_isolated.then(|| structure.atomic_numbers[0]),
        exclusion,
        sources,
        forces: structure.forces.as_deref().map(norms),
        state: state(structure),
        shape: crate::duplicates::shape(&graph),
        ignored_cell: structure.cell.is_some() && !structure.is_periodic(),
        contribution: Contribution {
            composition,
            energy: structure.energy,
            num_atoms,
            num_edges,
            r_min: shortest_edge(&graph),
            neighbor_counts: neighbor_counts(&graph),
        },
    })
}

/// Whether an element is missing from the table; an error unless such structures may be left out.
fn unknown_element(
    structure: &Structure,
    composition: &[(u8, u32)],
    rules: &ScanRules,
) -> Result<bool, DataError> {
    let Some(known) = &rules.known else {
        return Ok(false);
    };
    let unknown = composition
        .iter()
        .find(|(z, _)| known.species(*z).is_none());
    match unknown {
        Some((z, _)) if !rules.exclude_unknown_elements => Err(DataError::ElementNotInTable {
            origin: structure.origin.clone(),
            element: symbol_or_number(*z),
            known: symbol_list(known.atomic_numbers().iter().copied()),
        }),
        other => Ok(other.is_some()),
    }
}

fn check_labels(
    file: &StructureFile,
    structure: &Structure,
    rules: &ScanRules,
) -> Result<(), DataError> {
    let required = rules.required;
    let labels = [
        ("energy", required.energy, structure.energy.is_some()),
        ("forces", required.forces, structure.forces.is_some()),
        ("stress", required.stress, structure.stress.is_some()),
    ];
    let missing = labels
        .into_iter()
        .find(|(_, needed, present)| *needed && !present);
    match missing {
        None => Ok(()),
        Some((label, ..)) => Err(DataError::MissingLabel {
            origin: structure.origin.clone(),
            label,
            looked_for: rules.keys.of(label),
            present: file.keys(structure.origin.index)?,
        }),
    }
}

/// Least, sum and most of the norms.
fn norms(forces: &[[f64; 3]]) -> [f64; 3] {
    let start = [f64::INFINITY, 0.0, 0.0];
    forces
        .iter()
        .map(|f| crate::cell::norm(*f))
        .fold(start, |[least, sum, most], norm| {
            [least.min(norm), sum + norm, most.max(norm)]
        })
}

fn shortest_edge(graph: &Graph) -> f64 {
    let lengths = (0..graph.num_edges()).map(|e| crate::cell::norm(graph.edge_vector(e)));
    lengths.fold(f64::INFINITY, f64::min)
}

fn neighbor_counts(graph: &Graph) -> Vec<u32> {
    let mut counts = vec![0_u32; graph.num_atoms()];
    for receiver in &graph.receivers {
        counts[*receiver as usize] += 1;
    }
    counts.retain(|n| *n > 0);
    counts
}

/// Equal for structures with the same charge, spin and task.
fn state(structure: &Structure) -> u32 {
    let mut hasher = DefaultHasher::new();
    (structure.charge, structure.spin, structure.task).hash(&mut hasher);
    hasher.finish() as u32
}
