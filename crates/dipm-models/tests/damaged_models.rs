//! Property tests of the reader of model files: any bytes are read or refused, with bounded time and memory.

#[path = "../../dipm-data/tests/damage/mod.rs"]
mod damage;
#[allow(dead_code)] // no structures are needed here
mod stored;

use std::collections::HashMap;

use dipm_models::Model;
use safetensors::SafeTensors;

#[global_allocator]
static MEMORY: damage::Counting = damage::Counting;

/// One small model an architecture.
const MODELS: [&str; 6] = [
    "nequip_small",
    "liten_small",
    "eqv2_gate_nogrid",
    "mace_small",
    "visnet_small",
    "uma_small_noexp",
];

fn models() -> Vec<Vec<u8>> {
    let read =
        |name: &&str| std::fs::read(stored::path(&format!("{name}/weights.safetensors"))).unwrap();
    MODELS.iter().map(read).collect()
}

/// Reads bytes as a model file.
fn reader() -> impl Fn(&[u8]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("any.safetensors");
    move |bytes| {
        let _ = &directory;
        std::fs::write(&path, bytes).unwrap();
        Model::load(&path).is_ok()
    }
}

#[test]
fn any_model_file_is_read_or_refused() {
    let samples = models();
    let bounds = damage::Bounds {
        cases: 2000,
        memory: 64 << 20,
    };
    let huge = u64::MAX.to_le_bytes();
    let beginnings: [&[u8]; 3] = [
        &huge,
        b"\x40\0\0\0\0\0\0\0{\"",
        b"\xff\xff\xff\x7f\0\0\0\0{",
    ];
    let input = damage::input(samples.len(), &beginnings);
    damage::survive("model files", &bounds, &samples, input, reader());
}

/// A file with one text of its metadata replaced.
fn with_text(file: &[u8], key: &str, text: &str) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(file).unwrap();
    let mut metadata: HashMap<String, String> = header.metadata().clone().unwrap();
    metadata.insert(key.to_owned(), text.to_owned());
    let tensors = SafeTensors::deserialize(file).unwrap();
    safetensors::serialize(tensors.tensors(), Some(metadata)).unwrap()
}

/// Damages one text of the metadata, in files that are good otherwise.
fn survive_texts(name: &'static str, key: &'static str) {
    let files = models();
    // the first byte says which file the text belongs to
    let text = |(number, file): (usize, &Vec<u8>)| {
        let (_, header) = SafeTensors::read_metadata(file).unwrap();
        let text = &header.metadata().clone().unwrap()[key];
        [&[number as u8], text.as_bytes()].concat()
    };
    let samples: Vec<Vec<u8>> = files.iter().enumerate().map(text).collect();
    let bounds = damage::Bounds {
        cases: 600,
        memory: 64 << 20,
    };
    let read = reader();
    let input = damage::input(samples.len(), &[b"\x01{\"num_layers\": "]);
    damage::survive(name, &bounds, &samples, input, |bytes| {
        let (first, text) = bytes.split_first().unwrap_or((&0, &[]));
        let file = &files[usize::from(*first) % files.len()];
        read(&with_text(file, key, &String::from_utf8_lossy(text)))
    });
}

#[test]
fn any_options_in_a_model_file_are_read_or_refused() {
    survive_texts("options of model files", "config");
}

#[test]
fn any_dataset_info_in_a_model_file_is_read_or_refused() {
    survive_texts("dataset info of model files", "dataset_info");
}
