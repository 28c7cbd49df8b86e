//! The loader: order, restart, errors, memory.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dipm_data::{
    Batch, BatchLimits, Dataset, Graph, LabelKeys, Loader, LoaderOptions, Origin, Shard,
    SpeciesTable, Structure,
};

struct Chain {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

/// A file of chains of 1 to 5 hydrogen atoms 1 Å apart.
fn chains(count: usize) -> Chain {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chains.xyz");
    let mut text = String::new();
    for i in 0..count {
        let atoms = 1 + i % 5;
        writeln!(text, "{atoms}\nProperties=species:S:1:pos:R:3 energy={i}").unwrap();
        (0..atoms).for_each(|a| writeln!(text, "H 0 0 {a}").unwrap());
    }
    std::fs::write(&path, text).unwrap();
    Chain {
        _directory: directory,
        path,
    }
}

fn dataset(chain: &Chain) -> Arc<Dataset> {
    let keys = LabelKeys::default();
    Arc::new(Dataset::from_paths(std::slice::from_ref(&chain.path), &keys, 1.5, None).unwrap())
}

fn options(limits: BatchLimits) -> LoaderOptions {
    LoaderOptions {
        seed: 5,
        ..LoaderOptions::new(SpeciesTable::new([1]), limits)
    }
}

fn batches(loader: &Loader, epoch: u64, start: usize) -> Vec<Batch> {
    loader.epoch(epoch, start).map(Result::unwrap).collect()
}

fn energies(batches: &[Batch]) -> Vec<f64> {
    batches
        .iter()
        .flat_map(|b| b.energies.clone().unwrap())
        .collect()
}

#[test]
fn the_order_depends_on_seed_and_epoch_and_not_on_threads() {
    let chain = chains(53);
    let mut options = options(BatchLimits::by_count(4));
    let reference = Loader::new(dataset(&chain), options.clone()).unwrap();
    let first = batches(&reference, 3, 0);
    assert_eq!(first.len(), 14);
    let mut sorted = energies(&first);
    assert_ne!(sorted, energies(&batches(&reference, 4, 0)));
    sorted.sort_by(f64::total_cmp);
    assert_eq!(sorted, (0..53).map(f64::from).collect::<Vec<_>>());
    for (workers, prefetch, in_memory) in [
        (Some(0), 8, false),
        (Some(1), 1, false),
        (Some(7), 2, false),
        (Some(3), 0, true),
        (None, 128, true),
    ] {
        options.num_workers = workers;
        options.num_batch_prefetch = prefetch;
        options.load_into_memory = in_memory;
        let loader = Loader::new(dataset(&chain), options.clone()).unwrap();
        assert_eq!(
            batches(&loader, 3, 0),
            first,
            "{workers:?} {prefetch} {in_memory}"
        );
        assert_ne!(
            batches(&loader, 4, 0),
            first,
            "in memory too the order changes"
        );
    }
    options.seed = 6;
    let other = Loader::new(dataset(&chain), options.clone()).unwrap();
    assert_ne!(energies(&batches(&other, 3, 0)), energies(&first));
    options.shuffle = false;
    let in_order = Loader::new(dataset(&chain), options).unwrap();
    assert_eq!(
        energies(&batches(&in_order, 3, 0)),
        (0..53).map(f64::from).collect::<Vec<_>>()
    );
}

#[test]
fn an_epoch_can_be_resumed_at_any_batch() {
    let chain = chains(31);
    let limits = BatchLimits {
        max_structures: 6,
        max_atoms: Some(12),
        max_edges: Some(20),
    };
    let loader = Loader::new(dataset(&chain), options(limits)).unwrap();
    let all = batches(&loader, 1, 0);
    assert_eq!(all.len(), loader.num_batches(1));
    assert!(
        all.iter()
            .all(|b| b.total_atoms() <= 12 && b.total_edges() <= 20)
    );
    for start in 0..=all.len() + 1 {
        assert_eq!(batches(&loader, 1, start), all[start.min(all.len())..]);
    }
}

#[test]
fn shards_have_every_batch_once() {
    let chain = chains(53);
    let whole = options(BatchLimits::by_count(4));
    let whole = Loader::new(dataset(&chain), whole).unwrap();
    let expected = batches(&whole, 3, 0);
    assert_eq!(expected.len(), 14);
    let count = 3;
    for index in 0..count {
        let shard = Shard { index, count };
        let options = LoaderOptions {
            shard,
            ..options(BatchLimits::by_count(4))
        };
        let loader = Loader::new(dataset(&chain), options).unwrap();
        // 5, 5 and 4, of which all ranks know the largest
        assert_eq!(loader.num_batches(3), 5);
        let mine: Vec<Batch> = expected
            .iter()
            .skip(index)
            .step_by(count)
            .cloned()
            .collect();
        assert_eq!(batches(&loader, 3, 0), mine);
        assert_eq!(batches(&loader, 3, 2), mine[2..]);
        assert_eq!(batches(&loader, 3, 5), []);
    }
}

#[test]
fn an_error_reaches_the_consumer_and_ends_the_stream() {
    let chain = chains(40);
    let data = dataset(&chain);
    // The file changes after it was opened.
    let text = std::fs::read_to_string(&chain.path).unwrap();
    std::fs::write(&chain.path, text.replace("H 0 0 4", "H 0 0 z")).unwrap();
    for workers in [0, 1, 4] {
        let options = LoaderOptions {
            num_workers: Some(workers),
            num_batch_prefetch: 2,
            ..options(BatchLimits::by_count(3))
        };
        let loader = Loader::new(Arc::clone(&data), options).unwrap();
        let mut stream = loader.epoch(0, 0);
        let error = stream.find_map(Result::err).expect("an error").to_string();
        assert!(
            error.contains("chains.xyz, structure") && error.contains("`z`"),
            "{error}"
        );
        assert!(stream.next().is_none());
    }
}

#[test]
fn dropping_a_stream_stops_its_threads() {
    let chain = chains(500);
    let data = dataset(&chain);
    let options = LoaderOptions {
        num_workers: Some(4),
        num_batch_prefetch: 3,
        ..options(BatchLimits::by_count(1))
    };
    let loader = Loader::new(data, options).unwrap();
    let start = Instant::now();
    for epoch in 0..20 {
        let mut stream = loader.epoch(epoch, 0);
        stream.next().unwrap().unwrap();
        assert_eq!(stream.position(), 1);
        assert!(stream.seconds_waited() >= 0.0);
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_structure_larger_than_the_limits_is_refused_at_once() {
    let chain = chains(10);
    let limits = BatchLimits {
        max_structures: 4,
        max_atoms: Some(4),
        max_edges: None,
    };
    let error = Loader::new(dataset(&chain), options(limits))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("structure 4: 5 atoms, but a batch may hold at most 4"),
        "{error}"
    );
}

#[test]
fn a_batch_concatenates_its_graphs() {
    let origin = |index| Origin {
        file: std::path::Path::new("memory").into(),
        index,
    };
    let mut crystal = Structure::new(vec![8], vec![[0.5; 3]], origin(0));
    crystal.cell = Some([[-2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]);
    crystal.pbc = [true; 3];
    crystal.energy = Some(1.0);
    let mut molecule = Structure::new(vec![1, 8], vec![[0.0; 3], [0.0, 0.0, 1.0]], origin(1));
    molecule.energy = Some(2.0);
    molecule.forces = Some(vec![[1.0; 3]; 2]);
    molecule.charge = Some(-1);
    let graphs = [crystal, molecule].map(|s| Graph::new(s, 2.5, None).unwrap());
    let table = SpeciesTable::new([8, 1]);
    let batch = Batch::new(&graphs, &table).unwrap();
    assert_eq!(
        (
            batch.num_structures(),
            batch.total_atoms(),
            batch.total_edges()
        ),
        (2, 3, 8)
    );
    assert_eq!(batch.species, [1, 0, 1]);
    assert_eq!(
        (batch.num_atoms.as_slice(), batch.num_edges.as_slice()),
        (&[1, 2][..], &[6, 2][..])
    );
    assert_eq!(batch.atom_structure, [0, 1, 1]);
    assert_eq!(batch.edge_structure, [0, 0, 0, 0, 0, 0, 1, 1]);
    assert_eq!(
        (&batch.senders[6..], &batch.receivers[6..]),
        (&[2, 1][..], &[1, 2][..])
    );
    assert_eq!(batch.volumes, [8.0, 1.0]);
    assert_eq!(batch.periodic, [true, false]);
    assert_eq!(batch.energies, Some(vec![1.0, 2.0]));
    assert_eq!(batch.forces, None, "not every structure has forces");
    assert_eq!(
        (batch.charges.as_slice(), batch.spins.as_slice()),
        (&[0, -1][..], &[0, 0][..])
    );
    assert!(batch.receivers.is_sorted());
    // From sender to receiver: r_receiver − r_sender + shift · cell.
    assert_eq!(
        batch.edge_vectors()[6..],
        [[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]
    );
    let lengths = batch.edge_vectors()[..6]
        .iter()
        .map(|v| v.iter().map(|x| x * x).sum::<f64>())
        .collect::<Vec<_>>();
    assert_eq!(lengths, [4.0; 6]);
    let error = Batch::new(&graphs, &SpeciesTable::new([1]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("memory, structure 0: element O is not among"),
        "{error}"
    );
}
