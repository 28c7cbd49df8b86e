//! Which irreps each layer of MACE has.

use std::ops::Range;

use dipm_o3::{Irrep, Irreps};

use super::MaceConfig;
use crate::layers::Path;

/// The bookkeeping of one layer. All irreps are in order, each once, with C copies unless said.
#[derive(Debug, Clone)]
pub(super) struct Wiring {
    /// Features that enter.
    pub input: Irreps,
    /// The products, in the order of the radial weights: by irrep, what is passed through first.
    pub paths: Vec<Path>,
    /// Summed messages: C copies a path, those of an irrep in one entry.
    pub messages: Irreps,
    /// For each entry of `messages`, its paths.
    pub message_paths: Vec<Range<usize>>,
    /// Summed messages after they were mixed.
    pub features: Irreps,
    /// Features that leave.
    pub output: Irreps,
}

impl Wiring {
    /// The layers of a network. The last has scalars only.
    pub fn of_layers(config: &MaceConfig) -> Vec<Self> {
        let scalars = natural(config.num_channels, 0);
        let node_symmetry = config.node_symmetry.unwrap_or(config.l_max);
        let between = natural(config.num_channels, node_symmetry);
        let layer = |t: usize| {
            let input = if t == 0 { &scalars } else { &between };
            let last = t + 1 == config.num_layers;
            let output = if last { &scalars } else { &between };
            Self::new(config, input, output)
        };
        (0..config.num_layers).map(layer).collect()
    }

    fn new(config: &MaceConfig, input: &Irreps, output: &Irreps) -> Self {
        let channels = config.num_channels;
        let mut paths = Vec::new();
        let mut messages = Vec::new();
        let mut message_paths = Vec::new();
        for irrep in Irrep::up_to(config.l_max) {
            if !config.include_pseudotensors && irrep != Irrep::natural(irrep.l) {
                continue;
            }
            let start = paths.len();
            let mut add = |entry: usize, degree: usize| {
                let first = paths.len() * channels;
                paths.push(Path {
                    input: entry,
                    degree,
                    output: irrep,
                    columns: first..first + channels,
                });
            };
            // The harmonic of degree 0 passes a feature through.
            for (entry, a) in input.iter().enumerate().filter(|(_, a)| a.irrep == irrep) {
                debug_assert_eq!(a.mul, channels);
                add(entry, 0);
            }
            for (entry, a) in input.iter().enumerate() {
                for l in 1..=config.l_max {
                    let mut products = a.irrep.products(Irrep::natural(l));
                    if products.any(|product| product == irrep) {
                        add(entry, l);
                    }
                }
            }
            if paths.len() > start {
                messages.push(((paths.len() - start) * channels, irrep));
                message_paths.push(start..paths.len());
            }
        }
        let messages = Irreps::new(messages);
        let features = Irreps::new(messages.iter().map(|entry| (channels, entry.irrep)));
        Self {
            input: input.clone(),
            paths,
            messages,
            message_paths,
            features,
            output: output.clone(),
        }
    }

    /// For each path, whether it leads to a feature that is read.
    pub fn live_paths(&self, read: &[bool]) -> Vec<bool> {
        let groups = self.message_paths.iter().zip(read);
        groups
            .flat_map(|(paths, read)| std::iter::repeat_n(*read, paths.len()))
            .collect()
    }

    /// For each entry of `input`, whether a live path reads it.
    pub fn live_input(&self, live_paths: &[bool]) -> Vec<bool> {
        let reads = |entry| {
            let mut paths = self.paths.iter().zip(live_paths);
            paths.any(|(path, live)| *live && path.input == entry)
        };
        (0..self.input.len()).map(reads).collect()
    }
}

/// C copies of the irreps of the harmonics of degree 0 to l.
fn natural(channels: usize, l: usize) -> Irreps {
    Irreps::new((0..=l).map(|l| (channels, Irrep::natural(l))))
}
