//! From the `dataset` section of a configuration to datasets, statistics and report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::dataset::{Dataset, Item};
use crate::dataset_info::{AtomicEnergies, DatasetInfo};
use crate::duplicates::find_duplicates;
use crate::elements::symbol_list;
use crate::error::DataError;
use crate::labels::LabelKeys;
use crate::paths::DatasetPaths;
use crate::report::{DatasetReport, Exclusion};
use crate::scan::{Problems, RequiredLabels, ScanRules, scan_file};
use crate::species::SpeciesTable;
use crate::splits::{Amount, Role, Splits};
use crate::statistics::Statistics;
use crate::structure::Origin;
use crate::structure_file::StructureFile;

/// What to read and how, in the terms of the configuration.
#[derive(Debug, Clone)]
pub struct DatasetOptions {
    /// `train_dataset_paths`.
    pub train: DatasetPaths,
    /// `valid_dataset_paths`.
    pub valid: Option<DatasetPaths>,
    /// `test_dataset_paths`.
    pub test: Option<DatasetPaths>,
    /// `dataset_splits`: contiguous parts of the training files. Excludes `valid`, and `test` unless
    /// its test part is 0 (differs from 0.0.8, which excluded both always).
    pub splits: Option<Splits>,
    /// `train_num_to_load`, `valid_num_to_load`, `test_num_to_load`.
    pub num_to_load: [Option<Amount>; 3],
    /// `random_subset`: choose what to load at random rather than from the front.
    pub random_subset: bool,
    /// Seed of that choice.
    pub seed: u64,
    /// `graph_cutoff_angstrom`.
    pub cutoff: f64,
    /// `max_neighbors_per_atom`.
    pub max_neighbors_per_atom: Option<usize>,
    /// `batch_size`: with the next two, structures too large for a batch are left out.
    pub batch_size: usize,
    /// `max_n_node`.
    pub max_n_node: Option<usize>,
    /// `max_n_edge`.
    pub max_n_edge: Option<usize>,
    /// `use_formation_energies`.
    pub use_formation_energies: bool,
    /// Statistics to keep, of an info file or of a model to go on from.
    pub info: Option<DatasetInfo>,
    /// `update_dataset_info`: recompute the four batching statistics of `info`.
    pub update_dataset_info: bool,
    /// `drop_unseen_elements`: reduce `info` to the elements of the training set.
    pub drop_unseen_elements: bool,
    /// Leave structures with elements that the model lacks out, where otherwise they are an error.
    pub exclude_unknown_elements: bool,
    /// Keys of the labels.
    pub label_keys: LabelKeys,
    /// Labels that every structure must have.
    pub required: RequiredLabels,
}

impl DatasetOptions {
    /// The defaults of the configuration for these training files.
    pub fn new(train: DatasetPaths) -> Self {
        Self {
            train,
            valid: None,
            test: None,
            splits: None,
            num_to_load: [None; 3],
            random_subset: true,
            seed: 0,
            cutoff: 5.0,
            max_neighbors_per_atom: None,
            batch_size: 16,
            max_n_node: None,
            max_n_edge: None,
            use_formation_energies: false,
            info: None,
            update_dataset_info: false,
            drop_unseen_elements: false,
            exclude_unknown_elements: false,
            label_keys: LabelKeys::default(),
            required: RequiredLabels::default(),
        }
    }

    fn check(&self) -> Result<(), DataError> {
        let refuse = |reason: &str| {
            Err(DataError::Options {
                reason: reason.to_owned(),
            })
        };
        if let Some(splits) = &self.splits {
            if self.valid.is_some() {
                return refuse("`dataset_splits` excludes `valid_dataset_paths`");
            }
            if self.test.is_some() && splits.has_test() {
                return refuse(
                    "`dataset_splits` with a test part excludes `test_dataset_paths`; make its third \
                     number 0 to test on those files",
                );
            }
        }
        if !(self.cutoff > 0.0 && self.cutoff.is_finite()) {
            return refuse("`graph_cutoff_angstrom` must be a number > 0");
        }
        if self.max_neighbors_per_atom == Some(0) || self.batch_size == 0 {
            return refuse("`max_neighbors_per_atom` and `batch_size` must be at least 1");
        }
        if self.info.is_none() && (self.drop_unseen_elements || self.update_dataset_info) {
            return refuse(
                "`drop_unseen_elements` and `update_dataset_info` need a dataset info to start from",
            );
        }
        self.info
            .as_ref()
            .map_or(Ok(()), |info| self.check_info(info))
    }

    /// Whether statistics computed elsewhere fit this configuration.
    fn check_info(&self, info: &DatasetInfo) -> Result<(), DataError> {
        let differs = |what: &str, given: String, configured: String| DataError::Options {
            reason: format!(
                "the dataset info has {what} {given}, but the configuration says {configured}"
            ),
        };
        if info.cutoff_distance_angstrom != self.cutoff {
            let given = info.cutoff_distance_angstrom;
            return Err(differs(
                "cutoff",
                given.to_string(),
                self.cutoff.to_string(),
            ));
        }
        if info.max_neighbors_per_atom != self.max_neighbors_per_atom {
            let show = |n: Option<usize>| n.map_or("none".to_owned(), |n| n.to_string());
            let (given, configured) = (
                show(info.max_neighbors_per_atom),
                show(self.max_neighbors_per_atom),
            );
            return Err(differs("max_neighbors_per_atom", given, configured));
        }
        if info.task_list != self.train.task_list() {
            let show = |list: Option<Vec<String>>| list.map_or("none".to_owned(), |l| l.join(", "));
            let (given, configured) = (show(info.task_list.clone()), show(self.train.task_list()));
            return Err(differs("the tasks", given, configured));
        }
        Ok(())
    }

    fn subtracted(&self, info: &DatasetInfo) -> Option<AtomicEnergies> {
        self.use_formation_energies
            .then(|| info.atomic_energies_map.clone())
    }

    fn rules(&self) -> ScanRules {
        let mut required = self.required;
        required.energy |= self.use_formation_energies;
        ScanRules {
            keys: self.label_keys.clone(),
            r_max: self.cutoff,
            max_neighbors_per_atom: self.max_neighbors_per_atom,
            max_atoms: self.max_n_node.map(|n| n * self.batch_size),
            max_edges: self.max_n_edge.map(|n| 2 * n * self.batch_size),
            known: self.info.as_ref().map(SpeciesTable::from_info),
            exclude_unknown_elements: self.exclude_unknown_elements,
            required,
            subtracted: self.info.as_ref().and_then(|info| self.subtracted(info)),
        }
    }
}

/// Datasets ready to load, with what the pass over the data found.
#[derive(Debug)]
pub struct Prepared {
    /// Training set, never empty.
    pub train: Arc<Dataset>,
    /// Validation set, never empty.
    pub valid: Option<Arc<Dataset>>,
    /// Test set, never empty.
    pub test: Option<Arc<Dataset>>,
    /// Statistics of all training files before splits and subsets, or those given.
    pub info: DatasetInfo,
    /// The same with the four statistics of sizes always those of these training files, so that
    /// batches suit them.
    pub sizes: DatasetInfo,
    /// The pre-flight report.
    pub report: DatasetReport,
}

/// Opens all files of a run, reads every structure once, checks it and computes the statistics.
///
/// Unlike version 0.0.8 this writes nothing beside the data: what is left out (structures without
/// edges, free atoms, too large ones) is decided anew on each run and counted in the report, and a
/// structure with an unknown element or without a required label is an error.
///
/// # Errors
/// Every [`DataError`] of reading, checks and options; several problems of the data come together
/// as [`DataError::Several`].
pub fn prepare(options: &DatasetOptions) -> Result<Prepared, DataError> {
    options.check()?;
    let start = Instant::now();
    let task_list = options.train.task_list();
    let mut opened = Opened::default();
    opened.open(Role::Train, &options.train, task_list.as_deref())?;
    for (role, paths) in [(Role::Valid, &options.valid), (Role::Test, &options.test)] {
        if let Some(paths) = paths {
            opened.open(role, paths, task_list.as_deref())?;
        }
    }
    let mut scanned = scan(options, &opened)?;
    let files = Arc::new(opened.files);
    let chosen = choose(options, scanned.items)?;
    let duplicates = find_duplicates(&chosen);
    let origin = |item: &Item| Origin::new(files[item.file as usize].0.path(), item.index as usize);
    scanned.report.set_duplicates(&duplicates, origin);
    let dataset = |items: Vec<Item>| {
        Arc::new(Dataset {
            files: Arc::clone(&files),
            places: items.iter().map(|item| (item.file, item.index)).collect(),
            sizes: Some(
                items
                    .iter()
                    .map(|item| (item.num_atoms, item.num_edges))
                    .collect(),
            ),
            keys: options.label_keys.clone(),
            r_max: options.cutoff,
            max_neighbors_per_atom: options.max_neighbors_per_atom,
            subtracted: options.subtracted(&scanned.info),
        })
    };
    let [train, valid, test] = chosen;
    for (role, items) in [
        (Role::Train, &train),
        (Role::Valid, &valid),
        (Role::Test, &test),
    ] {
        scanned
            .report
            .roles
            .extend(items.as_ref().map(|items| (role, items.len())));
    }
    scanned.report.seconds = start.elapsed().as_secs_f64();
    Ok(Prepared {
        train: dataset(train.expect("the training set is always chosen")),
        valid: valid.map(dataset),
        test: test.map(dataset),
        info: scanned.info.clone(),
        sizes: scanned.sizes,
        report: scanned.report,
    })
}

/// Files with the index of their task, and the role each was opened for.
#[derive(Default)]
struct Opened {
    files: Vec<(StructureFile, Option<usize>)>,
    roles: Vec<Role>,
}

impl Opened {
    fn open(
        &mut self,
        role: Role,
        paths: &DatasetPaths,
        task_list: Option<&[String]>,
    ) -> Result<(), DataError> {
        for (path, task) in paths.files(task_list)? {
            self.files.push((StructureFile::open(path)?, task));
            self.roles.push(role);
        }
        Ok(())
    }
}

struct Scanned {
    info: DatasetInfo,
    sizes: DatasetInfo,
    report: DatasetReport,
    /// Structures of each role that are not left out.
    items: [Vec<Item>; 3],
}

/// The pass over all files; training files come first and give statistics and elements.
fn scan(options: &DatasetOptions, opened: &Opened) -> Result<Scanned, DataError> {
    let mut pass = Pass {
        opened,
        rules: options.rules(),
        problems: Problems::default(),
        report: DatasetReport::default(),
        items: Default::default(),
    };
    let mut statistics = Statistics::default();
    pass.scan(Role::Train, Some(&mut statistics));
    if statistics.num_structures() == 0 {
        pass.problems.into_result()?;
        return Err(DataError::EmptyDataset {
            role: Role::Train.to_string(),
            reason: pass.report.why_empty(),
        });
    }
    let (info, sizes) = dataset_info(options, statistics, &mut pass.report);
    pass.rules.known = Some(SpeciesTable::from_info(&info));
    pass.rules.exclude_unknown_elements |= options.drop_unseen_elements;
    pass.rules.subtracted = options.subtracted(&info);
    pass.scan(Role::Valid, None);
    pass.scan(Role::Test, None);
    pass.problems.into_result()?;
    Ok(Scanned {
        info,
        sizes,
        report: pass.report,
        items: pass.items,
    })
}

/// The pass under way.
struct Pass<'a> {
    opened: &'a Opened,
    rules: ScanRules,
    problems: Problems,
    report: DatasetReport,
    items: [Vec<Item>; 3],
}

impl Pass<'_> {
    /// Scans the files of one role.
    fn scan(&mut self, role: Role, mut statistics: Option<&mut Statistics>) {
        let files = self.opened.files.iter().zip(&self.opened.roles).enumerate();
        for (f, ((file, task), _)) in files.filter(|(_, (_, r))| **r == role) {
            let sums = statistics.as_deref_mut();
            let mut scan = scan_file(file, f, *task, &self.rules, sums, &mut self.problems);
            scan.report.role = role;
            if file.is_empty() {
                self.problems.push(DataError::broken_file(
                    file.path(),
                    "the file holds no structures",
                ));
            }
            tracing::debug!(file = %file.path().display(), structures = file.len(), "scanned");
            self.items[role as usize].append(&mut scan.items);
            for (z, energy) in scan.isolated_atoms {
                self.report.isolated_atoms.entry(z).or_insert(energy);
            }
            self.report.files.push(scan.report);
        }
    }
}

/// The statistics computed, or those given, updated as asked; and the same with computed sizes.
fn dataset_info(
    options: &DatasetOptions,
    statistics: Statistics,
    report: &mut DatasetReport,
) -> (DatasetInfo, DatasetInfo) {
    let seen = statistics.elements();
    let (computed, warning, rank) = statistics.finish(
        options.cutoff,
        options.max_neighbors_per_atom,
        options.train.task_list(),
    );
    let Some(mut info) = options.info.clone() else {
        report.warnings.extend(warning);
        report.energy_fit_rank = rank;
        return (computed.clone(), computed);
    };
    let with_sizes = |info: &DatasetInfo| DatasetInfo {
        median_num_neighbors: computed.median_num_neighbors,
        max_total_edges: computed.max_total_edges,
        median_num_nodes: computed.median_num_nodes,
        max_num_nodes: computed.max_num_nodes,
        ..info.clone()
    };
    if options.update_dataset_info {
        info = with_sizes(&info);
    }
    if options.drop_unseen_elements {
        let is_unseen = |z: &u8| !seen.contains(z);
        let dropped: Vec<u8> = info
            .atomic_energies_map
            .elements()
            .into_iter()
            .filter(is_unseen)
            .collect();
        if !dropped.is_empty() {
            tracing::info!("elements dropped from the model: {}", symbol_list(dropped));
        }
        info.atomic_energies_map.retain(|z| seen.contains(&z));
    }
    let sizes = with_sizes(&info);
    (info, sizes)
}

/// Splits and subsets.
fn choose(
    options: &DatasetOptions,
    items: [Vec<Item>; 3],
) -> Result<[Option<Vec<Item>>; 3], DataError> {
    let [train, valid, test] = items;
    let mut parts = match &options.splits {
        Some(splits) => {
            let [first, second, third] = splits.ranges(train.len())?;
            let rest = match (splits.has_test(), options.test.is_some()) {
                (true, _) => Some(train[third].to_vec()),
                (false, true) => Some(test),
                (false, false) => None,
            };
            [
                Some(train[first].to_vec()),
                Some(train[second].to_vec()),
                rest,
            ]
        }
        None => [
            Some(train),
            options.valid.is_some().then_some(valid),
            options.test.is_some().then_some(test),
        ],
    };
    for (role, part) in Role::ALL.into_iter().zip(&mut parts) {
        let Some(items) = part else { continue };
        let before = items.len();
        if let Some(amount) = options.num_to_load[role as usize] {
            let seed = options.random_subset.then_some(options.seed);
            let chosen = amount.choose(before, role, seed)?;
            *items = chosen.into_iter().map(|i| items[i]).collect();
        }
        if items.is_empty() {
            let reason = match before {
                0 if options.splits.is_some() => "`dataset_splits` leaves none for it".to_owned(),
                0 => "every structure was left out".to_owned(),
                n => format!("`{role}_num_to_load` leaves none of {n}"),
            };
            return Err(DataError::EmptyDataset {
                role: role.to_string(),
                reason,
            });
        }
    }
    Ok(parts)
}

impl DatasetReport {
    /// Why no structure is left, with what can be done.
    fn why_empty(&self) -> String {
        let mut counts = BTreeMap::<Exclusion, usize>::new();
        for (reason, n) in self.files.iter().flat_map(|file| &file.excluded) {
            *counts.entry(*reason).or_default() += n;
        }
        let reasons: Vec<String> = counts
            .iter()
            .map(|(reason, n)| format!("{reason} ({n})"))
            .collect();
        let advice = match counts.contains_key(&Exclusion::NoEdges) {
            true => "; are the positions in Å, and is `graph_cutoff_angstrom` large enough?",
            false => "",
        };
        format!(
            "every structure was left out: {}{advice}",
            reasons.join(", ")
        )
    }
}
