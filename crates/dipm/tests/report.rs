//! The page of a run, and `dipm evaluate`, as a user meets them.

mod program;
mod quickstart;

use program::dipm;
use quickstart::MODEL_AND_FILES;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use dipm::data::{LabelKeys, Structure, StructureFile};
use dipm::evaluation::{Compared, Evaluation};
use dipm::report::{Evaluated, EvaluationPage};
use serde_json::Value as Json;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/quickstart");

/// A short training in a folder; only the number of epochs may differ between two of them.
fn training(directory: &Path, epochs: u64) -> Command {
    let text = format!(
        "{MODEL_AND_FILES}  train_num_to_load: 16
  batch_size: 4
train:
  loss: mse
  num_epochs: {epochs}
  warmup_steps: 0
  save_path: model.safetensors
  local_model_output_dir: run
  restore_checkpoint_if_exists: true
  restore_optimizer_state: true
"
    );
    std::fs::write(directory.join("train.yaml"), text).unwrap();
    dipm(directory, &["train", "train.yaml"])
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the program starts");
    let text = String::from_utf8(stdout).unwrap();
    assert!(
        status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&stderr)
    );
    text
}

#[track_caller]
fn fails(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

fn json(path: &Path) -> Json {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn records(directory: &Path, kind: &str) -> Vec<Json> {
    let text = std::fs::read_to_string(directory.join("run/metrics.jsonl")).unwrap_or_default();
    let records = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    records
        .filter(|record: &Json| record["record"] == kind)
        .collect()
}

fn structures(path: &Path) -> Vec<Structure> {
    let file = StructureFile::open(path).unwrap();
    let read = |index| file.read(index, &LabelKeys::default()).unwrap().0;
    (0..file.len()).map(read).collect()
}

/// Reads a page as XML, which it is too: every element is closed where it has to be, and every `&` begins an entity.
#[track_caller]
fn assert_well_formed(page: &str) {
    let page = page
        .strip_prefix("<!DOCTYPE html>")
        .expect("a document type");
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        assert_entities(&rest[..at]);
        let end = at + rest[at..].find('>').expect("the end of a tag");
        let tag = &rest[at + 1..end];
        assert!(!tag.contains('<'), "{tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert_entities(tag);
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().expect("a name"));
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
}

#[track_caller]
fn assert_entities(text: &str) {
    for part in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        assert!(
            known.iter().any(|entity| part.starts_with(entity)),
            "&{part}"
        );
    }
}

/// The points of each line of the chart with a title.
fn lines_of_chart(page: &str, title: &str) -> Vec<usize> {
    let start = page
        .find(&format!("aria-label=\"{title}."))
        .expect("a chart");
    let chart = &page[start..start + page[start..].find("</svg>").unwrap()];
    let lines = chart.split("<path d=\"").skip(1);
    let lines = lines.filter(|path| path.contains("stroke-linejoin=\"round\""));
    lines
        .map(|path| 1 + path[..path.find('"').unwrap()].matches('L').count())
        .collect()
}

#[test]
fn evaluate_finds_the_errors_that_training_logged() {
    let directory = tempfile::tempdir().unwrap();
    succeeds(&mut training(directory.path(), 4));
    let best = records(directory.path(), "best_model").pop().unwrap()["best_epoch"].clone();
    let validations = records(directory.path(), "validation");
    let logged = validations
        .iter()
        .find(|record| record["epoch"] == best)
        .unwrap();
    let test = records(directory.path(), "test").pop().unwrap();
    for (set, logged) in [("valid", logged), ("test", &test)] {
        let data = format!("{DATA}/ethanol_{set}.h5");
        let arguments = [
            "evaluate",
            "model.safetensors",
            &data,
            "--json",
            "found.json",
        ];
        let text = succeeds(&mut dipm(directory.path(), &arguments));
        assert!(
            text.contains("force components") && text.contains("C2H6O"),
            "{text}"
        );
        let found = json(&directory.path().join("found.json"));
        assert_eq!(found["num_structures"], logged["num_structures"]);
        for quantity in ["energy", "energy_per_atom", "forces"] {
            for error in ["mae", "rmse"] {
                let [found, logged] =
                    [&found, logged].map(|x| x[quantity][error].as_f64().unwrap());
                // energies of atoms are summed in 32 bits in the one and in 64 in the other
                assert!(
                    (found - logged).abs() < 1e-4 * logged,
                    "{quantity} {error}: {found} {logged}"
                );
            }
        }
    }
}

#[test]
fn the_page_of_a_run_shows_its_curves_its_errors_and_its_configuration() {
    let directory = tempfile::tempdir().unwrap();
    succeeds(&mut training(directory.path(), 3));
    let page = std::fs::read_to_string(directory.path().join("run/report.html")).unwrap();
    assert_well_formed(&page);
    // nothing from elsewhere, nothing that runs
    let addresses =
        page.matches("http").count() - page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count();
    assert_eq!(addresses, 0);
    assert!(!page.contains("<script") && !page.contains("<link") && !page.contains("@import"));
    assert_eq!(lines_of_chart(&page, "Loss"), [3, 4]);
    assert_eq!(lines_of_chart(&page, "Force errors, validation"), [4, 4]);
    assert_eq!(lines_of_chart(&page, "Memory"), [3]);
    for text in [
        "finished after 3 epochs",
        "Validation set",
        "Test set",
        "Forces on C",
        "Force error by size of the force",
        "ethanol_valid.h5",
        "num_epochs: 3",
        "node_irreps",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn a_run_that_was_killed_and_goes_on_has_whole_curves() {
    let directory = tempfile::tempdir().unwrap();
    let mut run = training(directory.path(), 100_000);
    let mut child = run
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while records(directory.path(), "validation").len() < 5 {
        assert!(start.elapsed() < Duration::from_secs(120), "no validation");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let page = directory.path().join("run/report.html");
    assert_well_formed(&std::fs::read_to_string(&page).unwrap());

    let epochs = records(directory.path(), "validation").len() as u64 + 2;
    succeeds(&mut training(directory.path(), epochs));
    let text = std::fs::read_to_string(&page).unwrap();
    assert_well_formed(&text);
    let epochs = epochs as usize;
    assert_eq!(lines_of_chart(&text, "Loss"), [epochs, epochs + 1]);
    assert!(text.contains(">restart<") && text.contains(&format!("{epochs} / {epochs}")));
}

#[test]
fn what_evaluate_writes_is_what_predict_writes() {
    let directory = tempfile::tempdir().unwrap();
    succeeds(&mut training(directory.path(), 1));
    let data = format!("{DATA}/ethanol_test.h5");
    let read = |command: &str, file: &str| {
        let arguments = [
            command,
            "model.safetensors",
            &data,
            "--output",
            file,
            "--batch-size",
            "7",
        ];
        succeeds(&mut dipm(directory.path(), &arguments));
        let mut structures = structures(&directory.path().join(file));
        let origin = structures[0].origin.clone();
        structures
            .iter_mut()
            .for_each(|s| s.origin = origin.clone());
        structures
    };
    let xyz = read("evaluate", "a.xyz");
    assert_eq!(xyz.len(), 30);
    let without_origin = |mut list: Vec<Structure>| {
        let origin: dipm::data::Origin = (PathBuf::from("x"), 0).into();
        list.iter_mut().for_each(|s| s.origin = origin.clone());
        list
    };
    let xyz = without_origin(xyz);
    assert_eq!(without_origin(read("evaluate", "a.h5")), xyz);
    assert_eq!(without_origin(read("predict", "b.xyz")), xyz);
    assert_eq!(without_origin(read("predict", "b.h5")), xyz);
    let labels = structures(Path::new(&data));
    assert_ne!(labels[3].energy, xyz[3].energy);
    assert_eq!(labels[3].positions, xyz[3].positions);
}

#[test]
fn structures_without_labels_or_with_unknown_elements_take_no_part_in_the_errors() {
    let directory = tempfile::tempdir().unwrap();
    succeeds(&mut training(directory.path(), 1));
    let text = "\
3\nenergy=-1.0 config_type=\"a<b>&\"\nH 0 0 0\nO 0 0 1\nH 0 1 1\n\
2\nProperties=species:S:1:pos:R:3:forces:R:3 config_type=\"<script>\"\nC 0 0 0 0 0 1\nO 0 0 1.2 0 0 -1\n\
2\n\nC 0 0 0\nO 0 0 1.3\n\
2\nenergy=-3\nNa 0 0 0\nCl 0 0 2.4\n";
    let name = "a<b>&\"c'.xyz";
    std::fs::write(directory.path().join(name), text).unwrap();
    let arguments = ["evaluate", "model.safetensors", name];
    let error = fails(&mut dipm(directory.path(), &arguments));
    for part in [
        "structure 3",
        "Na, Cl",
        "H, C, O",
        "--skip-unknown-elements",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let more = [
        "--skip-unknown-elements",
        "--output",
        "all.xyz",
        "--json",
        "t.json",
        "--report",
        "r.html",
    ];
    let shown = succeeds(dipm(directory.path(), &arguments).args(more));
    assert!(
        shown.contains("1 without energy, forces and stress"),
        "{shown}"
    );
    assert!(
        shown.contains("1 structures left out") && shown.contains("Na in 1, Cl in 1"),
        "{shown}"
    );
    let found = json(&directory.path().join("t.json"));
    assert_eq!(
        (
            found["energy"]["count"].as_u64(),
            found["forces"]["count"].as_u64()
        ),
        (Some(1), Some(6))
    );
    assert_eq!(
        (
            found["num_structures"].as_u64(),
            found["num_skipped"].as_u64()
        ),
        (Some(3), Some(1))
    );
    assert_eq!(structures(&directory.path().join("all.xyz")).len(), 3);
    let page = std::fs::read_to_string(directory.path().join("r.html")).unwrap();
    assert_well_formed(&page);
    assert!(page.contains("a&lt;b&gt;&amp;&quot;c&#39;.xyz") && page.contains("&lt;script&gt;"));
    assert!(!page.contains("<script"));
}

#[test]
fn a_file_that_is_read_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    succeeds(&mut training(directory.path(), 1));
    let data = directory.path().join("data.xyz");
    let text = "2\nenergy=-3\nC 0 0 0\nO 0 0 1.3\n";
    std::fs::write(&data, text).unwrap();
    for (command, option) in [
        ("evaluate", "-o"),
        ("evaluate", "--report"),
        ("evaluate", "--json"),
        ("predict", "-o"),
    ] {
        let arguments = [
            command,
            "model.safetensors",
            "data.xyz",
            option,
            "./data.xyz",
        ];
        let error = fails(&mut dipm(directory.path(), &arguments));
        assert!(error.contains("would be replaced"), "{error}");
        assert_eq!(std::fs::read_to_string(&data).unwrap(), text);
    }
}

#[test]
fn the_page_of_a_large_set_is_small() {
    let mut evaluation = Evaluation::default();
    let (mut numbers, mut state) = (Vec::new(), 1_u64);
    for _ in 0..50_000 {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        numbers.push((state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5);
    }
    let atomic_numbers: Vec<u8> = (1..=40).collect();
    for index in 0..3000 {
        let origin = (PathBuf::from("large.xyz"), index).into();
        let number = |k: usize| numbers[(120 * index + 7 * k) % 50_000];
        let forces = |scale: f64| -> Vec<[f64; 3]> {
            let force = |a: usize| {
                std::array::from_fn(|k| 20.0 * number(3 * a + k) + scale * number(3 * a + k + 1))
            };
            (0..40).map(force).collect()
        };
        let (reference, predicted) = (forces(0.0), forces(5.0));
        let config_type = format!("class {}", index % 200);
        evaluation.add(&Compared {
            origin: &origin,
            config_type: Some(&config_type),
            atomic_numbers: &atomic_numbers,
            energy: Some([number(1), number(2)]),
            forces: Some([&reference, &predicted]),
            stress: Some([[[number(3); 3]; 3], [[number(4); 3]; 3]]),
        });
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("page.html");
    let evaluated = Evaluated {
        title: "Errors".to_owned(),
        model: "Model".to_owned(),
        evaluation,
    };
    let page = EvaluationPage {
        model: Path::new("model.safetensors"),
        architecture: "NequIP",
        num_parameters: 1000,
        dtype: "float32",
        files: vec!["large.xyz".to_owned()],
        seconds: 1.0,
        num_skipped: 0,
        evaluated: &evaluated,
    };
    page.write(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_well_formed(&text);
    // 360 000 force components in some thirty charts
    assert!(
        (100_000..3_000_000).contains(&text.len()),
        "{} bytes",
        text.len()
    );
}
