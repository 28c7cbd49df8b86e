//! Property tests of the reader of configurations: any bytes give a configuration or problems, with bounded
//! time and memory.

#[path = "../../dipm-data/tests/damage/mod.rs"]
mod damage;

use dipm::config::{self, Overrides};
use std::fmt::Write;

#[global_allocator]
static MEMORY: damage::Counting = damage::Counting;

const CONFIG: &str = "model:
  target: nequip
  num_layers: 2
  node_irreps: 8x0e + 4x1o
  l_max: 1
  avg_num_neighbors: null
dataset:
  train_dataset_paths: &data [train.xyz, 'train.xyz']
  valid_dataset_paths: *data
  graph_cutoff_angstrom: 5.0
  batch_size: 4
train:
  loss: MSELoss
  num_epochs: 3
  init_learning_rate: 1e-4
  log_interval: 5
  save_path: \"model.safetensors\"
";

const OTHER: &str = "# all on one line
{model: {target: EquiformerV2, lmax: 2, mmax: 2}, dataset: {train_dataset_paths: train.xyz, dataset_splits: [0.8, 0.1, 0.1]},
 train: {loss: mse, num_epochs: 10, save_path: m.safetensors, stage_splits: [0.5, 0.5], energy_weights: [1, 2], forces_weights: [2, 1]}}
";

/// A folder with the data of the configurations, and a reader of bytes in it.
fn reader(directory: &std::path::Path) -> impl Fn(&[u8]) -> bool {
    std::fs::write(directory.join("train.xyz"), "1\n\nH 0 0 0\n").unwrap();
    let path = directory.join("any.yaml");
    move |bytes| {
        std::fs::write(&path, bytes).unwrap();
        match config::read(&path, &Overrides::default()) {
            Ok(config) => !config.to_yaml().is_empty(),
            Err(error) => {
                let shown = error.render(100, false);
                assert!(
                    shown.contains("any.yaml") && !error.problems().is_empty(),
                    "{shown}"
                );
                false
            }
        }
    }
}

#[test]
fn any_configuration_is_read_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let samples = [CONFIG, OTHER].map(|text| text.as_bytes().to_vec());
    let bounds = damage::Bounds {
        cases: 2000,
        memory: 16 << 20,
    };
    let beginnings: [&[u8]; 4] = [
        b"model:\n  target: nequip\n  ",
        b"&a [*a, ",
        b"? [",
        b"- - - - ",
    ];
    damage::survive(
        "YAML",
        &bounds,
        &samples,
        damage::input(2, &beginnings),
        reader(directory.path()),
    );
}

#[test]
fn bombs_are_refused_before_they_grow() {
    let directory = tempfile::tempdir().unwrap();
    let read = reader(directory.path());
    // each level repeats the one before ten times
    let mut levels = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let inner = vec![format!("*a{}", i - 1); 10].join(", ");
        writeln!(levels, "a{i}: &a{i} [{inner}]").unwrap();
    }
    // a long text repeated
    let text = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(100_000),
        vec!["*a"; 50_000].join(", ")
    );
    // anchors around anchors, each a copy of all within
    let anchors: String = (0..200).map(|i| format!("&a{i} [")).collect();
    let anchors = format!("a: {anchors}{}{}\n", "1, ".repeat(20_000), "]".repeat(200));
    let deep =
        |open: &str, close: &str| format!("a: {}{}", open.repeat(100_000), close.repeat(100_000));
    let bombs = [
        ("aliases of aliases", levels),
        ("aliases of a long text", text),
        ("nested anchors", anchors),
        ("lists in lists", deep("[", "]")),
        ("maps in maps", deep("{a: ", "}")),
        ("a list that is never closed", "[".repeat(300_000)),
        ("dashes", "- ".repeat(300_000)),
        ("keys in keys", "? ".repeat(300_000)),
        ("an alias of itself", "a: &a [*a]\n".to_owned()),
        ("a long line", format!("a: {}\n", "x".repeat(2_000_000))),
        (
            "many keys",
            (0..200_000).map(|i| format!("k{i}: {i}\n")).collect(),
        ),
    ];
    for (name, bomb) in bombs {
        let (accepted, memory, time) = damage::measure(|| read(bomb.as_bytes()));
        assert!(!accepted, "{name}");
        let allowed = 64 << 20;
        assert!(
            memory < allowed && time.as_secs() < 20,
            "{name}: {memory} bytes, {time:?}"
        );
        println!(
            "{name}: {} bytes refused with {:.1} MiB in {time:?}",
            bomb.len(),
            memory as f64 / 1048576.0
        );
    }
}
