//! HDF5 files in the layout of MACE: groups `config_batch_i/config_j`.
//!
//! A value that is the string `None` is absent, and so is a missing member of `properties`; `pbc`,
//! `cell` and `properties` themselves are required. The number of members of every batch group is
//! counted, and groups are taken in numeric order, so batches of unequal size are fine.

use std::path::Path;
use std::sync::Arc;

use hdf5_pure::{File, FormatError, Group, Source};
use memmap2::Mmap;

use crate::elements::element_symbol;
use crate::error::DataError;
use crate::hdf5_member::{Member, most_bytes, unreadable};
use crate::labels::{LabelKeys, LabelSources, find_key, stress_from_virial, tensor};
use crate::structure::{Origin, Structure};

/// A memory-mapped file; pages come and go as they are used.
struct MappedSource(Mmap);

impl Source for MappedSource {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FormatError> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        let bytes = self.0.get(start..end).ok_or(FormatError::UnexpectedEof {
            expected: end,
            available: self.0.len(),
        })?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// An open file; one small handle a structure, data read on demand.
pub(crate) struct Hdf5File {
    path: Arc<Path>,
    configs: Vec<Group>,
    /// Most that one dataset may unpack to.
    most_bytes: u64,
}

impl Hdf5File {
    /// Opens the file and lists its structures in numeric order.
    pub(crate) fn open(path: &Arc<Path>) -> Result<Self, DataError> {
        let file = std::fs::File::open(path).map_err(|e| DataError::io(path, e))?;
        // SAFETY: the map is only read, and every access is bounds-checked against its length. As
        // with any memory map, another process must not shorten the file during the run.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| DataError::io(path, e))?;
        let most_bytes = most_bytes(map.len() as u64);
        let broken = |e: hdf5_pure::Error| DataError::broken_file(path, unreadable(e));
        let file = File::from_source(MappedSource(map)).map_err(broken)?;
        let batches = numbered(&file.root(), "config_batch_").map_err(broken)?;
        if batches.is_empty() {
            return Err(DataError::broken_file(
                path,
                "no group `config_batch_0`: this is not the MACE layout of HDF5",
            ));
        }
        let mut configs = Vec::new();
        for batch in batches {
            configs.extend(numbered(&batch, "config_").map_err(broken)?);
        }
        Ok(Self {
            path: Arc::clone(path),
            configs,
            most_bytes,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.configs.len()
    }

    /// Reads one structure.
    pub(crate) fn read(
        &self,
        index: usize,
        keys: &LabelKeys,
    ) -> Result<(Structure, LabelSources), DataError> {
        self.config(index).read(keys)
    }

    fn config(&self, index: usize) -> Config<'_> {
        Config {
            group: &self.configs[index],
            origin: Origin::new(&self.path, index),
            most_bytes: self.most_bytes,
        }
    }

    /// Names of the members of `properties` that are not `None`.
    pub(crate) fn keys(&self, index: usize) -> Result<Vec<String>, DataError> {
        let properties = self.config(index).properties()?;
        Ok(properties.into_iter().map(|member| member.name).collect())
    }
}

/// Subgroups `prefix` + number, in numeric order.
fn numbered(group: &Group, prefix: &str) -> Result<Vec<Group>, hdf5_pure::Error> {
    let number = |name: &str| {
        name.strip_prefix(prefix)
            .and_then(|n| n.parse::<u64>().ok())
    };
    let mut found: Vec<(u64, Group)> = group
        .iter_groups()?
        .filter_map(|(name, group)| number(&name).map(|n| (n, group)))
        .collect();
    found.sort_by_key(|(n, _)| *n);
    Ok(found.into_iter().map(|(_, group)| group).collect())
}

/// One structure being read.
struct Config<'a> {
    group: &'a Group,
    origin: Origin,
    most_bytes: u64,
}

impl Config<'_> {
    fn read(&self, keys: &LabelKeys) -> Result<(Structure, LabelSources), DataError> {
        let members = Member::all(self.group, self.most_bytes).map_err(|e| self.broken(e))?;
        let numbers = self.read_atomic_numbers(self.required(&members, "atomic_numbers")?)?;
        let count = numbers.len();
        let positions = self.required(&members, "positions")?;
        let positions = self
            .vectors(positions, count)?
            .ok_or_else(|| self.broken("`positions` is `None`"))?;
        let mut structure = Structure::new(numbers, positions, self.origin.clone());
        structure.cell = self.read_cell(self.required(&members, "cell")?)?;
        structure.pbc = self.read_pbc(self.required(&members, "pbc")?)?;
        if let Some(weight) = member(&members, "weight")
            && let Some(weight) = self.scalar(weight)?
        {
            structure.weight = weight;
        }
        if let Some(text) = member(&members, "config_type") {
            let text = text.text().map_err(|e| self.broken(e))?;
            structure.config_type = text.filter(|word| word != "None");
        }
        let present = self.properties()?;
        let sources = self.read_labels(&mut structure, present, keys)?;
        Ok((structure, sources))
    }

    /// The members of `properties` that are not `None`.
    fn properties(&self) -> Result<Vec<Member>, DataError> {
        let group = self.group.group("properties");
        let group = group.map_err(|_| self.broken("no group `properties`"))?;
        let members = Member::all(&group, self.most_bytes).map_err(|e| self.broken(e))?;
        let mut present = Vec::with_capacity(members.len());
        for member in members {
            if !self.is_none(&member)? {
                present.push(member);
            }
        }
        Ok(present)
    }

    fn read_labels(
        &self,
        structure: &mut Structure,
        present: Vec<Member>,
        keys: &LabelKeys,
    ) -> Result<LabelSources, DataError> {
        let names = present.iter().map(|member| member.name.as_str());
        let mut sources = LabelSources::default();
        let also = &mut sources.also;
        let energy = find_key(&keys.energy, names.clone(), also);
        let forces = find_key(&keys.forces, names.clone(), also);
        let stress = find_key(&keys.stress, names.clone(), also);
        let virial = find_key(&keys.virial, names, also);
        if let (Some(_), Some(at)) = (stress, virial) {
            also.push(present[at].name.clone());
        }
        let name = |at: Option<usize>| at.map(|at| present[at].name.clone());
        sources.energy = name(energy);
        sources.forces = name(forces);
        sources.stress = name(stress.or(virial));
        if let Some(at) = energy {
            structure.energy = self.scalar(&present[at])?;
        }
        if let Some(at) = forces {
            structure.forces = self.vectors(&present[at], structure.num_atoms())?;
        }
        structure.stress = match (stress, virial) {
            (Some(at), _) => Some(self.tensor(&present[at])?),
            (None, Some(at)) => {
                let virial = self.tensor(&present[at])?;
                Some(stress_from_virial(virial, structure).map_err(|e| self.broken(e))?)
            }
            (None, None) => None,
        };
        structure.charge = self.integer(&present, &["total_charge", "charge"])?;
        structure.spin = self.integer(&present, &["total_spin", "spin"])?;
        Ok(sources)
    }

    fn read_atomic_numbers(&self, member: &Member) -> Result<Vec<u8>, DataError> {
        let shape = self.shape(member)?;
        let [_] = shape[..] else {
            return Err(self.wrong_shape(member, "[N]", shape));
        };
        let numbers = member.integers().map_err(|e| self.broken(e))?;
        let convert = |z: i64| {
            u8::try_from(z)
                .ok()
                .filter(|z| element_symbol(*z).is_some())
        };
        let unknown = |z: i64| DataError::UnknownElement {
            origin: self.origin.clone(),
            found: z.to_string(),
        };
        numbers
            .into_iter()
            .map(|z| convert(z).ok_or_else(|| unknown(z)))
            .collect()
    }

    fn read_cell(&self, cell: &Member) -> Result<Option<[[f64; 3]; 3]>, DataError> {
        if self.is_none(cell)? {
            return Ok(None);
        }
        let shape = self.shape(cell)?;
        let numbers = self.numbers(cell)?;
        let is_matrix = shape.ends_with(&[3, 3]) && numbers.len() == 9;
        let matrix = tensor(&numbers).filter(|_| is_matrix);
        let matrix = matrix.ok_or_else(|| self.wrong_shape(cell, "[3, 3]", shape))?;
        Ok((matrix != [[0.0; 3]; 3]).then_some(matrix))
    }

    fn read_pbc(&self, pbc: &Member) -> Result<[bool; 3], DataError> {
        if self.is_none(pbc)? {
            return Ok([false; 3]);
        }
        match pbc.flags().map_err(|e| self.broken(e))?[..] {
            [a, b, c] => Ok([a, b, c]),
            [all] => Ok([all; 3]),
            _ => Err(self.wrong_shape(pbc, "[3]", self.shape(pbc)?)),
        }
    }

    /// An [N, 3] array, `None` for the string `None`.
    fn vectors(&self, entry: &Member, count: usize) -> Result<Option<Vec<[f64; 3]>>, DataError> {
        if self.is_none(entry)? {
            return Ok(None);
        }
        let shape = self.shape(entry)?;
        if shape != [count, 3] {
            return Err(self.wrong_shape(entry, &format!("[{count}, 3]"), shape));
        }
        let numbers = self.numbers(entry)?;
        if numbers.len() != 3 * count {
            return Err(self.wrong_shape(entry, &format!("[{count}, 3]"), vec![numbers.len()]));
        }
        Ok(Some(
            numbers
                .chunks_exact(3)
                .map(|v| [v[0], v[1], v[2]])
                .collect(),
        ))
    }

    fn tensor(&self, entry: &Member) -> Result<[[f64; 3]; 3], DataError> {
        let shape = self.shape(entry)?;
        let numbers = self.numbers(entry)?;
        tensor(&numbers).ok_or_else(|| self.wrong_shape(entry, "[3, 3] or [6]", shape))
    }

    fn scalar(&self, entry: &Member) -> Result<Option<f64>, DataError> {
        if self.is_none(entry)? {
            return Ok(None);
        }
        match self.numbers(entry)?[..] {
            [number] => Ok(Some(number)),
            _ => Err(self.wrong_shape(entry, "[] (one number)", self.shape(entry)?)),
        }
    }

    fn integer(&self, members: &[Member], names: &[&str]) -> Result<Option<i32>, DataError> {
        let Some(entry) = names.iter().find_map(|name| member(members, name)) else {
            return Ok(None);
        };
        let Some(number) = self.scalar(entry)? else {
            return Ok(None);
        };
        let whole = number.fract() == 0.0 && number.abs() < 1e6;
        let error = || self.broken(format!("`{}` is {number}, expected an integer", entry.name));
        whole.then_some(Some(number as i32)).ok_or_else(error)
    }

    fn numbers(&self, member: &Member) -> Result<Vec<f64>, DataError> {
        member.numbers().map_err(|e| self.broken(e))
    }

    fn is_none(&self, member: &Member) -> Result<bool, DataError> {
        member.is_none().map_err(|e| self.broken(e))
    }

    fn shape(&self, member: &Member) -> Result<Vec<usize>, DataError> {
        member.shape().map_err(|e| self.broken(e))
    }

    fn required<'m>(&self, members: &'m [Member], name: &str) -> Result<&'m Member, DataError> {
        member(members, name).ok_or_else(|| self.broken(format!("no dataset `{name}`")))
    }

    fn wrong_shape(&self, member: &Member, expected: &str, found: Vec<usize>) -> DataError {
        DataError::WrongShape {
            origin: self.origin.clone(),
            name: member.name.clone(),
            expected: expected.to_owned(),
            found,
        }
    }

    fn broken(&self, reason: impl ToString) -> DataError {
        DataError::broken(&self.origin.file, self.origin.index, reason)
    }
}

fn member<'m>(members: &'m [Member], name: &str) -> Option<&'m Member> {
    members.iter().find(|member| member.name == name)
}
