//! Reproducible random orders.
//!
//! ChaCha8 keyed directly by the seed, and a shuffle of our own: the same seed gives the same order in
//! every version and on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What random numbers are for; each purpose has its own stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Epoch(u64),
    Subset(u64),
}

fn generator(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let (tag, number) = match purpose {
        Purpose::Epoch(epoch) => (1_u64, epoch),
        Purpose::Subset(role) => (2, role),
    };
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&tag.to_le_bytes());
    key[16..24].copy_from_slice(&number.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Uniform integer below `bound`: the high word of a product, biased draws rejected (Lemire,
/// ACM Trans. Model. Comput. Simul. 29, 3 (2019)).
fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= threshold {
            return (product >> 64) as u64;
        }
    }
}

/// Order of the items of a dataset in one epoch: a pure function of length, seed and epoch.
pub fn epoch_order(len: usize, seed: u64, epoch: u64) -> Vec<u32> {
    let mut rng = generator(seed, Purpose::Epoch(epoch));
    let mut order: Vec<u32> = (0..len as u32).collect();
    for last in (1..len).rev() {
        order.swap(last, below(&mut rng, last as u64 + 1) as usize);
    }
    order
}

/// `count` distinct numbers below `len`, ascending.
pub(crate) fn random_subset(len: usize, count: usize, seed: u64, stream: u64) -> Vec<usize> {
    let mut rng = generator(seed, Purpose::Subset(stream));
    let mut all: Vec<usize> = (0..len).collect();
    for first in 0..count {
        all.swap(
            first,
            first + below(&mut rng, (len - first) as u64) as usize,
        );
    }
    all.truncate(count);
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_permutation_that_depends_on_seed_and_epoch() {
        let order = epoch_order(1000, 7, 3);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<u32>>());
        assert_eq!(order, epoch_order(1000, 7, 3));
        assert_ne!(order, epoch_order(1000, 7, 4));
        assert_ne!(order, epoch_order(1000, 8, 3));
    }

    #[test]
    fn orders_never_change_between_versions() {
        assert_eq!(epoch_order(10, 42, 0), [8, 2, 7, 0, 4, 6, 9, 3, 1, 5]);
    }

    #[test]
    fn first_places_are_uniform() {
        let mut counts = [0; 5];
        for epoch in 0..5000 {
            counts[epoch_order(5, 1, epoch)[0] as usize] += 1;
        }
        assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
    }

    #[test]
    fn subsets_are_distinct_and_ascending() {
        let subset = random_subset(100, 30, 1, 0);
        assert_eq!(subset.len(), 30);
        assert!(subset.windows(2).all(|pair| pair[0] < pair[1]));
        assert_ne!(subset, random_subset(100, 30, 1, 1));
        assert_eq!(random_subset(5, 5, 1, 0), [0, 1, 2, 3, 4]);
    }
}
