//! Classes: structures of a batch that a network treats alike.

use dipm_data::Batch;
use dipm_field::{Bindings, Map, Space};

use crate::StructureKey;

/// Which structures of a batch are of one class. What depends on the class alone is computed once a
/// class: the rows of [`CLASSES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructureClasses {
    /// Those with the same row of every [`StructureKey`] of the network.
    Alike,
    /// Each structure is a class of its own.
    Apart,
}

/// Number of the table of classes; those below are the species' and the keys'.
const TABLE: u8 = 4;

/// The classes of a batch.
pub const CLASSES: Space = Space::Table(TABLE);

/// Structure, atom or edge → class.
pub fn class_of(space: Space) -> Map {
    let from = space;
    Map::Index { from, table: TABLE }
}

/// The classes of a batch, and what leads to and from them.
#[derive(Debug, Clone)]
pub(crate) struct ClassRows {
    num: usize,
    maps: Vec<(Map, Vec<u32>)>,
}

impl ClassRows {
    /// The classes of a batch; `keys` are the rows of each structure.
    pub(crate) fn new(
        classes: StructureClasses,
        keys: &[(StructureKey, Vec<u32>)],
        batch: &Batch,
    ) -> Self {
        let mut first: Vec<usize> = Vec::new(); // structure of each class
        let mut of_structures = Vec::new();
        for structure in 0..batch.num_structures() {
            let is_alike = |other: &usize| {
                classes == StructureClasses::Alike
                    && keys.iter().all(|(_, rows)| rows[*other] == rows[structure])
            };
            let class = first.iter().position(is_alike).unwrap_or_else(|| {
                first.push(structure);
                first.len() - 1
            });
            of_structures.push(class as u32);
        }
        let through = |structures: &[u32]| -> Vec<u32> {
            let class = |structure: &u32| of_structures[*structure as usize];
            structures.iter().map(class).collect()
        };
        let key_rows = |(key, rows): &(StructureKey, Vec<u32>)| {
            let rows = first.iter().map(|structure| rows[*structure]).collect();
            (key.map_from(CLASSES), rows)
        };
        let of_classes = keys.iter().map(key_rows);
        let mut maps: Vec<_> = of_classes.collect();
        maps.push((class_of(Space::Atoms), through(&batch.atom_structure)));
        maps.push((class_of(Space::Edges), through(&batch.edge_structure)));
        maps.push((class_of(Space::Structures), of_structures));
        Self {
            num: first.len(),
            maps,
        }
    }

    /// Adds the classes and their maps.
    pub(crate) fn bind<'a, T>(&'a self, bindings: Bindings<'a, T>) -> Bindings<'a, T> {
        let bindings = bindings.rows(CLASSES, self.num);
        let maps = self.maps.iter();
        maps.fold(bindings, |bindings, (map, rows)| bindings.map(*map, rows))
    }
}
