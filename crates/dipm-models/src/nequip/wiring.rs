//! Which irreps each layer of NequIP has, and which of them can matter to the energy.

use dipm_o3::{Irrep, Irreps};

use crate::layers::{Gate, Path};

/// The bookkeeping of one layer.
#[derive(Debug, Clone)]
pub(super) struct Wiring {
    /// Irreps of the features that enter.
    pub input: Irreps,
    /// Irreps of what is sent to neighbours.
    pub sent: Irreps,
    /// The products, in the order of the radial weights.
    pub paths: Vec<Path>,
    /// Irreps of the summed messages: one entry a path, stably sorted by irrep.
    pub messages: Irreps,
    /// For each entry of `messages`, its path.
    pub message_order: Vec<usize>,
    /// What comes before the gate, and the gate.
    pub gate: Gate,
    scalars: Irreps,
    gated: Irreps,
}

impl Wiring {
    /// The layers of a network with these feature irreps (each irrep once, in order). The energy
    /// reads the even scalars of the last.
    pub fn of_layers(irreps: &Irreps, l_max: usize, num_layers: usize) -> Vec<Self> {
        let mut input = irreps.filter(|irrep| irrep == Irrep::SCALAR);
        let mut layers: Vec<Self> = Vec::with_capacity(num_layers);
        for _ in 0..num_layers {
            let layer = Self::new(input, irreps, l_max);
            input = layer.output();
            layers.push(layer);
        }
        let mut live: Vec<bool> = input
            .iter()
            .map(|entry| entry.irrep == Irrep::SCALAR)
            .collect();
        for layer in layers.iter_mut().rev() {
            layer.gate = Gate::new(&layer.scalars, &layer.gated, &live);
            live = layer.live_input();
        }
        layers
    }

    fn new(input: Irreps, irreps: &Irreps, l_max: usize) -> Self {
        let harmonics = Irreps::harmonics(l_max);
        let reachable = |irrep: Irrep| {
            let mut pairs = input
                .iter()
                .flat_map(|a| harmonics.iter().map(move |y| (a, y)));
            pairs.any(|(a, y)| a.irrep.products(y.irrep).any(|product| product == irrep))
        };
        let scalars = irreps.filter(|irrep| irrep.is_scalar() && reachable(irrep));
        let gated = irreps.filter(|irrep| !irrep.is_scalar() && reachable(irrep));
        let gate = Gate::new(&scalars, &gated, &vec![true; scalars.len() + gated.len()]);
        let sent = irreps.filter(|irrep| input.contains(irrep));
        let mut paths = Vec::new();
        let mut start = 0;
        for (entry, a) in sent.iter().enumerate() {
            for y in harmonics.iter() {
                for output in a
                    .irrep
                    .products(y.irrep)
                    .filter(|o| gate.before().contains(*o))
                {
                    paths.push(Path {
                        input: entry,
                        degree: y.irrep.l,
                        output,
                        columns: start..start + a.mul,
                    });
                    start += a.mul;
                }
            }
        }
        let products = paths.iter().map(|path| (path.columns.len(), path.output));
        let (messages, message_order) = Irreps::new(products).sort();
        Self {
            input,
            sent,
            paths,
            messages,
            message_order,
            gate,
            scalars,
            gated,
        }
    }

    /// Irreps of the features that leave.
    pub fn output(&self) -> Irreps {
        self.gate.output().simplify()
    }

    /// Number of weights that the radial network gives each edge.
    pub fn num_weights(&self) -> usize {
        self.paths.last().map_or(0, |path| path.columns.end)
    }

    /// Whether some live copy before the gate has this irrep.
    fn is_read(&self, irrep: Irrep) -> bool {
        let mut entries = self.gate.before().iter().enumerate();
        entries.any(|(n, entry)| entry.irrep == irrep && self.gate.live().count(n) > 0)
    }

    /// For each path, whether it can matter to the energy.
    pub fn live_paths(&self) -> Vec<bool> {
        self.paths
            .iter()
            .map(|path| self.is_read(path.output))
            .collect()
    }

    /// For each entry of `sent`, whether it can matter to the energy.
    pub fn live_sent(&self) -> Vec<bool> {
        let live = self.live_paths();
        let reads = |entry| {
            let mut paths = self.paths.iter().zip(&live);
            paths.any(|(path, live)| *live && path.input == entry)
        };
        (0..self.sent.len()).map(reads).collect()
    }

    /// For each entry of `input`, whether it can matter to the energy.
    fn live_input(&self) -> Vec<bool> {
        let live_sent = self.live_sent();
        let sends = |irrep| {
            let mut sent = self.sent.iter().zip(&live_sent);
            sent.any(|(entry, live)| *live && entry.irrep == irrep)
        };
        let live = |irrep| self.is_read(irrep) || sends(irrep);
        self.input.iter().map(|entry| live(entry.irrep)).collect()
    }
}
