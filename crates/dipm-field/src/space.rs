//! Spaces, which say what the rows of a field stand for, and the maps between them.

/// What the rows of a field stand for.
///
/// The order is that of broadcasting: a field over [`Space::Const`] combines with any other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Space {
    /// One row: parameters, tables, scalars of the batch.
    Const,
    /// The rows of a table with a fixed number of rows, such as the chemical elements of a model.
    Table(u8),
    /// One row per structure of the batch.
    Structures,
    /// One row per atom of the batch, structure after structure.
    Atoms,
    /// One row per directed edge of the batch, sorted by receiver.
    Edges,
}

/// A map from the rows of one space to the rows of another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Map {
    /// Edge → the atom that sends its message.
    Sender,
    /// Edge → the atom that receives its message. Edges are sorted by receiver.
    Receiver,
    /// Atom → its structure. Atoms are sorted by structure.
    AtomStructure,
    /// Edge → its structure. Edges are sorted by structure.
    EdgeStructure,
    /// Any row → a row of a table, for example atom → its element.
    Index {
        /// The space whose rows carry the index.
        from: Space,
        /// The table that is indexed.
        table: u8,
    },
    /// Every row of a space → the single row of [`Space::Const`].
    All(Space),
}

impl Map {
    /// The space whose rows are mapped.
    pub fn source(self) -> Space {
        match self {
            Map::Sender | Map::Receiver | Map::EdgeStructure => Space::Edges,
            Map::AtomStructure => Space::Atoms,
            Map::Index { from, .. } => from,
            Map::All(from) => from,
        }
    }

    /// The space that is mapped to.
    pub fn target(self) -> Space {
        match self {
            Map::Sender | Map::Receiver => Space::Atoms,
            Map::AtomStructure | Map::EdgeStructure => Space::Structures,
            Map::Index { table, .. } => Space::Table(table),
            Map::All(_) => Space::Const,
        }
    }

    /// Whether the map is monotonous, so that the rows of one target are neighbours.
    pub fn is_sorted(self) -> bool {
        matches!(
            self,
            Map::Receiver | Map::AtomStructure | Map::EdgeStructure | Map::All(_)
        )
    }
}
