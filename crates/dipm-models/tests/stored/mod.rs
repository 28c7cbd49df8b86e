//! Structures and numbers of dipm 0.0.8, stored beside the tests of this crate or, where they are
//! large, beside the repository.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dipm_data::{Graph, Origin, Structure};
use serde::Deserialize;
use serde_json::Value;

/// The cases of all architectures.
pub const CASES: &[&str] = &[
    "eqv2_default_arch",
    "eqv2_embed_none",
    "eqv2_embed_shared",
    "eqv2_force_head_small",
    "eqv2_gate_grid",
    "eqv2_gate_nogrid",
    "eqv2_layer_norm",
    "eqv2_mshare",
    "eqv2_rms_norm_sh",
    "eqv2_s2_nogrid",
    "eqv2_s2sep_nogrid",
    "eqv2_small",
    "eqv2_trainyaml",
    "liten_1layer_trbf",
    "liten_3layers",
    "liten_charge_spin",
    "liten_default_arch",
    "liten_small",
    "liten_tasks",
    "mace_1layer_corr1",
    "mace_3layers_norminNone",
    "mace_default_arch",
    "mace_gate",
    "mace_heads2",
    "mace_nopseudo_corr3_sym1",
    "mace_small",
    "mace_soft",
    "mace_species4",
    "mace_symbasis_corr3",
    "nequip_default_arch",
    "nequip_lmax1",
    "nequip_lmax3",
    "nequip_small",
    "nequip_soft",
    "nequip_tanh_3layers",
    "uma_fixed_exp4_comp_tasks",
    "uma_fixed_noexp",
    "visnet_default_arch",
    "visnet_lmax1",
    "visnet_maxmin",
    "visnet_rms",
    "visnet_small",
    "visnet_trainable_rbf",
];

/// Cases of UMA with what is mended here: files are compared as those of the others, energies,
/// forces and stress in the unit tests of UMA, which put the defects back.
pub const RELEASED: &[&str] = &[
    "uma_default_arch",
    "uma_exp3_comp_tasks",
    "uma_exp4",
    "uma_force_head",
    "uma_layer_norm_spectral",
    "uma_rms_s2sep",
    "uma_small_noexp",
    "uma_tasks_noexp",
];

/// A stored file, which is beside the repository if it is not in it.
pub fn path(name: &str) -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let own = crates.join("dipm-models/tests/golden").join(name);
    match own.exists() {
        true => own,
        false => crates.join("../../shared/golden").join(name),
    }
}

/// The cases that are there; the others are named.
pub fn cases() -> impl Iterator<Item = &'static str> {
    available(CASES)
}

/// Those of some cases that are there; the others are named.
pub fn available(cases: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    let is_there = |case: &&str| {
        let file = path(&format!("{case}/golden.json"));
        if !file.exists() {
            println!("{case:30} skipped: there is no {}", file.display());
        }
        file.exists()
    };
    cases.iter().copied().filter(is_there)
}

/// A stored JSON file.
pub fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path(name)).unwrap()).unwrap()
}

/// The numbers of a JSON value, row-major.
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

/// The larger of two errors; one that is not a number is larger than any.
pub fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b } // also b if that is not a number
}

/// Largest difference relative to the largest stored number; not a number if a difference is not.
pub fn difference(found: &[f64], stored: &[f64]) -> f64 {
    assert_eq!(found.len(), stored.len());
    let scale = stored.iter().fold(0.0, |a, x| worse(a, x.abs()));
    let pairs = found.iter().zip(stored);
    pairs.fold(0.0, |a, (x, y)| worse(a, (x - y).abs())) / scale
}

#[derive(Deserialize)]
struct Stored {
    numbers: Vec<u8>,
    positions: Vec<[f64; 3]>,
    cell: [[f64; 3]; 3],
    pbc: [bool; 3],
    charge: i32,
    spin: i32,
    task: usize,
    senders: Vec<u32>,
    receivers: Vec<u32>,
    shifts: Vec<[f64; 3]>,
    ref_energy: f64,
    ref_forces: Vec<[f64; 3]>,
    ref_stress: [[f64; 3]; 3],
    weight: Option<f64>,
}

/// Four labelled structures with their edges at a cutoff of 4 Å: a molecule, two crystals, a larger cell.
pub fn graphs() -> Vec<Graph> {
    let stored = json("STRUCTS_4.json");
    let structures: Vec<Stored> = serde_json::from_value(stored["structures"].clone()).unwrap();
    let graph = |(index, s): (usize, Stored)| {
        let mut structure = structure(s.numbers, s.positions, s.cell, s.pbc, index);
        structure.charge = Some(s.charge);
        structure.spin = Some(s.spin);
        structure.task = Some(s.task);
        structure.energy = Some(s.ref_energy);
        structure.forces = Some(s.ref_forces);
        structure.stress = Some(s.ref_stress);
        structure.weight = s.weight.unwrap_or(1.0);
        let shift = |shift: &[f64; 3]| shift.map(|x| x as i32);
        let mut edges: Vec<_> = s
            .receivers
            .iter()
            .zip(&s.senders)
            .zip(&s.shifts)
            .map(|((r, s), t)| (*r, *s, shift(t)))
            .collect();
        edges.sort_unstable();
        Graph {
            structure,
            senders: edges.iter().map(|e| e.1).collect(),
            receivers: edges.iter().map(|e| e.0).collect(),
            shifts: edges.iter().map(|e| e.2).collect(),
        }
    };
    structures.into_iter().enumerate().map(graph).collect()
}

/// A structure without labels; a zero cell means none.
pub fn structure(
    atomic_numbers: Vec<u8>,
    positions: Vec<[f64; 3]>,
    cell: [[f64; 3]; 3],
    pbc: [bool; 3],
    index: usize,
) -> Structure {
    Structure {
        atomic_numbers,
        positions,
        cell: (cell != [[0.0; 3]; 3]).then_some(cell),
        pbc,
        energy: None,
        forces: None,
        stress: None,
        charge: None,
        spin: None,
        task: None,
        weight: 1.0,
        config_type: None,
        origin: Origin {
            file: Arc::from(Path::new("stored.json")),
            index,
        },
    }
}
