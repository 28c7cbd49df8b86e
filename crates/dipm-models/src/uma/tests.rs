//! What dipm 0.0.8 computes: there, features of atoms start without the embeddings, and a batch
//! gives its edges to structures by the numbers of atoms.

#[allow(dead_code)] // the stored files only
#[path = "../../tests/stored/mod.rs"]
mod stored;

use dipm_data::{Batch, Graph};
use dipm_field::{Bindings, Executor, Graph as Equations, Plan, Space};
use serde_json::Value;

use super::Uma;
use crate::layers::Edges;
use crate::{
    ArchitectureConfig, BatchInputs, Mode, Model, ModelConfig, Potential, Precision,
    StructureClasses, UmaConfig, class_of,
};

fn config(model: &Model) -> &UmaConfig {
    match &model.config {
        ModelConfig::Uma(config) => config,
        _ => panic!("a file of UMA"),
    }
}

/// The stored structures and one more for what pads a batch in 0.0.8: an atom of the first element
/// without edges, charge, spin and task 0.
fn batch(model: &Model) -> Batch {
    let mut graphs = stored::graphs();
    let mut padding = stored::structure(vec![1], vec![[0.0; 3]], [[0.0; 3]; 3], [false; 3], 4);
    padding.charge = Some(0);
    padding.spin = Some(0);
    padding.task = Some(0);
    graphs.push(Graph {
        structure: padding,
        senders: vec![],
        receivers: vec![],
        shifts: vec![],
    });
    Batch::new(&graphs, &model.species()).unwrap()
}

/// For each edge, the structure that 0.0.8 takes it for: the first edges of a batch, as many as the
/// first structure has atoms, belong to that, and so on; what is left belongs to the padding.
fn owners() -> Vec<u32> {
    let file = stored::json("STRUCTS_4.json");
    let structures = file["structures"].as_array().unwrap();
    let atoms = |s: &Value| s["numbers"].as_array().unwrap().len();
    let by_atoms = structures.iter().enumerate();
    let by_atoms = by_atoms.flat_map(|(g, s)| std::iter::repeat_n(g as u32, atoms(s)));
    let mut owners = by_atoms.chain(std::iter::repeat(4));
    let mut sorted = Vec::new();
    for structure in structures {
        let list = |name: &str| -> Vec<Vec<f64>> {
            let values = structure[name].as_array().unwrap().iter();
            let numbers = |value: &Value| match value {
                Value::Array(list) => list.iter().map(|x| x.as_f64().unwrap()).collect(),
                number => vec![number.as_f64().unwrap()],
            };
            values.map(numbers).collect()
        };
        let (senders, receivers) = (list("senders"), list("receivers"));
        let shifts = list("shifts");
        let edges = (0..senders.len()).map(|e| {
            let key = [&receivers[e][..], &senders[e], &shifts[e]].concat();
            (key, owners.next().unwrap())
        });
        let mut edges: Vec<_> = edges.collect();
        edges.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap());
        sorted.extend(edges.into_iter().map(|edge| edge.1));
    }
    sorted
}

/// Node energies, forces and stress of 0.0.8, without energies of isolated atoms.
fn released(model: &Model, batch: &Batch) -> [Vec<f64>; 3] {
    let network = Uma::new(config(model), &model.dataset_info, model.species().len());
    let graph = Equations::new();
    let vectors = graph.input("edge_vectors", Space::Edges, &[3]);
    let edges = Edges::new(vectors, Precision::Double, Mode::Evaluation);
    let (_, surroundings) = network.surroundings(&edges);
    let start = network.edge_degree(&surroundings);
    let output = network.refine(start, &surroundings);
    let potential = Potential::of(model, &network, &edges, output);
    let outputs = [
        ("node energies", potential.node_energies),
        ("forces", potential.forces),
        ("stress", potential.stress),
    ];
    let mut executor = Executor::<f64>::new(Plan::new(&graph, &outputs));
    let inputs = BatchInputs::<f64>::new(model, batch).unwrap();
    // Structures 0 and 3 have charge and spin 0 as the padding has.
    let classes = match config(model).structure_classes().unwrap() {
        StructureClasses::Apart => [0, 1, 2, 3, 4],
        StructureClasses::Alike => [0, 1, 2, 0, 0],
    };
    let owners: Vec<u32> = owners().iter().map(|g| classes[*g as usize]).collect();
    let parameters: Vec<(&str, Vec<f64>)> = model
        .parameters
        .iter()
        .map(|p| (p.name.as_str(), p.values.iter().collect()))
        .collect();
    let mut bindings = inputs
        .bind(batch, Bindings::new())
        .map(class_of(Space::Edges), &owners);
    for (name, values) in &parameters {
        bindings = bindings.input(name, values);
    }
    executor.run(&bindings).unwrap();
    outputs.map(|(name, _)| executor.output(name).to_vec())
}

#[test]
fn without_what_is_mended_the_stored_numbers_of_0_0_8_come_out() {
    for case in stored::available(stored::RELEASED) {
        let golden = stored::json(&format!("{case}/golden.json"));
        assert_eq!(golden["semantics"], "as-released", "{case}");
        let model = Model::load(stored::path(case).join("weights.safetensors")).unwrap();
        let batch = batch(&model);
        let [mut energies, forces, stress] = released(&model, &batch);
        for (energy, offset) in energies.iter_mut().zip(model.atom_offsets(&batch)) {
            *energy += offset;
        }
        let (mut atom, mut largest) = (0, 0f64);
        for (g, expected) in golden["batch"].as_array().unwrap().iter().enumerate() {
            let atoms = atom..atom + batch.num_atoms[g] as usize;
            atom = atoms.end;
            let energy = energies[atoms.clone()].iter().sum();
            // 0.0.8 gives the virial as the stress of a structure without a cell.
            let volume = if batch.cells[g] == [[0.0; 3]; 3] {
                batch.volumes[g]
            } else {
                1.0
            };
            let stress = stress[9 * g..9 * g + 9].iter().map(|x| x * volume);
            for (name, found) in [
                ("energy", vec![energy]),
                ("node_energies", energies[atoms.clone()].to_vec()),
                ("forces", forces[3 * atoms.start..3 * atoms.end].to_vec()),
                ("stress", stress.collect()),
            ] {
                let error = stored::difference(&found, &stored::numbers(&expected[name]));
                assert!(
                    error < 1e-9,
                    "{case}, structure {g}: {name} differ by {error:e}"
                );
                largest = stored::worse(largest, error);
            }
        }
        println!("{case:30} {largest:9.1e}  passes");
    }
}
