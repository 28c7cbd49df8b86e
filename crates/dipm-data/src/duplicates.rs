//! Structures that occur more than once.

use crate::dataset::Item;
use crate::error::MAX_PROBLEMS;
use crate::report::{DatasetReport, Duplicate};
use crate::splits::Role;
use crate::structure::Origin;

/// Equal structures: role and item of both.
pub(crate) fn find_duplicates(parts: &[Option<Vec<Item>>; 3]) -> Vec<[(Role, Item); 2]> {
    let mut all: Vec<(Role, Item)> = Vec::new();
    for (role, part) in Role::ALL.into_iter().zip(parts) {
        all.extend(part.iter().flatten().map(|item| (role, *item)));
    }
    all.sort_by_key(|(role, item)| (item.fingerprint, *role, item.file, item.index));
    let mut pairs = Vec::new();
    let mut first = 0;
    for i in 1..all.len() {
        if all[i].1.fingerprint == all[first].1.fingerprint {
            pairs.push([all[first], all[i]]);
        } else {
            first = i;
        }
    }
    pairs.sort_by_key(|[_, (role, item)]| (*role, item.file, item.index));
    pairs
}

impl DatasetReport {
    pub(crate) fn set_duplicates(
        &mut self,
        pairs: &[[(Role, Item); 2]],
        origin: impl Fn(&Item) -> Origin,
    ) {
        let between = pairs.iter().filter(|[a, b]| a.0 != b.0).count();
        self.num_duplicates_between = between;
        self.num_duplicates_within = pairs.len() - between;
        let duplicate = |[a, b]: &[(Role, Item); 2]| Duplicate {
            first: (a.0, origin(&a.1)),
            second: (b.0, origin(&b.1)),
        };
        self.duplicates = pairs.iter().take(MAX_PROBLEMS).map(duplicate).collect();
        if self.num_duplicates_within > 0 {
            let n = self.num_duplicates_within;
            self.warnings
                .push(format!("{n} structures occur more than once in their set"));
        }
        if let Some([a, b]) = pairs.iter().find(|[a, b]| a.0 != b.0) {
            self.warnings.push(format!(
                "{between} structures occur in two sets, for example {} ({}) and {} ({})",
                origin(&a.1),
                a.0,
                origin(&b.1),
                b.0
            ));
        }
    }
}
