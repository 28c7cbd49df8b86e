//! Extended XYZ files: an index of frames, and one frame at a time.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use crate::elements::atomic_number;
use crate::error::DataError;
use crate::labels::{LabelKeys, LabelSources, find_key, stress_from_virial, tensor};
use crate::structure::{Origin, Structure};
use crate::xyz_header::{
    Column, ColumnKind, Pairs, parse_bool, parse_number, parse_numbers, parse_pairs,
    parse_properties,
};

/// A frame larger than this is a damaged file.
const MOST_ATOMS: u64 = 100_000_000;

/// Where a frame lies.
#[derive(Debug, Clone, Copy)]
struct Frame {
    offset: u64,
    length: u32,
    /// Line of the atom count, from 1.
    line: u64,
}

/// An extended XYZ file with the byte range of every frame (24 bytes of memory a frame).
#[derive(Debug)]
pub(crate) struct XyzFile {
    path: Arc<Path>,
    file: File,
    frames: Vec<Frame>,
}

impl XyzFile {
    /// Reads through the file once to find the frames.
    pub(crate) fn open(path: &Arc<Path>) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|e| DataError::io(path, e))?;
        let frames = index_frames(path, &file)?;
        Ok(Self {
            path: Arc::clone(path),
            file,
            frames,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Reads one frame.
    pub(crate) fn read(
        &self,
        index: usize,
        keys: &LabelKeys,
    ) -> Result<(Structure, LabelSources), DataError> {
        let text = self.frame_text(index)?;
        let origin = Origin::new(&self.path, index);
        parse_frame(&text, self.frames[index].line, origin, keys)
    }

    /// Names of everything in one frame: keys of the comment line and columns.
    pub(crate) fn keys(&self, index: usize) -> Result<Vec<String>, DataError> {
        let text = self.frame_text(index)?;
        let pairs = parse_pairs(text.lines().nth(1).unwrap_or_default()).unwrap_or_default();
        let is_layout = |key: &str| matches!(key, "Properties" | "Lattice" | "pbc");
        let mut names: Vec<String> = Vec::new();
        for (key, value) in pairs {
            if key.eq_ignore_ascii_case("properties") {
                let columns = parse_properties(&value).unwrap_or_default();
                names.extend(columns.into_iter().skip(2).map(|c| c.name));
            } else if !is_layout(&key) {
                names.push(key);
            }
        }
        Ok(names)
    }

    fn frame_text(&self, index: usize) -> Result<String, DataError> {
        let frame = self.frames[index];
        let mut bytes = vec![0; frame.length as usize];
        read_at(&self.file, &mut bytes, frame.offset).map_err(|e| DataError::io(&self.path, e))?;
        // Comments in other encodings exist; they hold no label.
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        let at = offset + done as u64;
        match std::os::windows::fs::FileExt::seek_read(file, &mut buffer[done..], at)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => done += n,
        }
    }
    Ok(())
}

/// One streaming pass that looks only at the atom counts and the line ends.
fn index_frames(path: &Arc<Path>, file: &File) -> Result<Vec<Frame>, DataError> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut frames = Vec::new();
    let (mut offset, mut line) = (0_u64, 0_u64);
    let mut count_line = Vec::new();
    loop {
        count_line.clear();
        let start = (offset, line + 1);
        let limited = &mut std::io::Read::take(&mut reader, 1 << 16);
        let length = limited.read_until(b'\n', &mut count_line);
        let length = length.map_err(|e| DataError::io(path, e))? as u64;
        if length == 0 {
            return Ok(frames);
        }
        (offset, line) = (offset + length, line + 1);
        if count_line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let count = str::from_utf8(&count_line)
            .ok()
            .and_then(|t| t.trim().parse::<u64>().ok());
        let count = count.filter(|&n| n <= MOST_ATOMS).ok_or_else(|| {
            let shown = String::from_utf8_lossy(&count_line);
            let shown: String = shown.trim().chars().take(60).collect();
            let reason = format!(
                "line {}: expected the number of atoms, found `{shown}`{}",
                start.1,
                if frames.is_empty() {
                    ""
                } else {
                    "; is the count of the structure before too small?"
                }
            );
            DataError::broken(path, frames.len(), reason)
        })?;
        for seen in 0..=count {
            let skipped = reader
                .skip_until(b'\n')
                .map_err(|e| DataError::io(path, e))?;
            if skipped == 0 {
                let reason = match seen {
                    0 => "the file ends before the comment line: it is incomplete".to_owned(),
                    n => format!(
                        "the file ends after {} of {count} atoms: it is incomplete, or the count of line {} is wrong",
                        n - 1,
                        start.1
                    ),
                };
                return Err(DataError::broken(path, frames.len(), reason));
            }
            (offset, line) = (offset + skipped as u64, line + 1);
        }
        let length = u32::try_from(offset - start.0)
            .map_err(|_| DataError::broken(path, frames.len(), "a frame of more than 4 GiB"))?;
        frames.push(Frame {
            offset: start.0,
            length,
            line: start.1,
        });
    }
}

/// Parses the lines of one frame; `line` is the number of its first one.
fn parse_frame(
    text: &str,
    line: u64,
    origin: Origin,
    keys: &LabelKeys,
) -> Result<(Structure, LabelSources), DataError> {
    let broken = |at: u64, reason: String| DataError::BrokenStructure {
        origin: origin.clone(),
        reason: format!("line {at}: {reason}"),
    };
    let mut lines = text.lines();
    let count: usize = lines
        .next()
        .and_then(|l| l.trim().parse().ok())
        .ok_or_else(|| broken(line, "expected the number of atoms".to_owned()))?;
    let comment = lines.next().unwrap_or_default();
    let header = Header::parse(comment, keys).map_err(|e| broken(line + 1, e))?;
    let mut structure = Structure::new(Vec::new(), Vec::new(), origin.clone());
    structure.atomic_numbers.reserve(count.min(text.len()));
    structure.positions.reserve(count.min(text.len()));
    let mut forces = Vec::with_capacity(if header.forces.is_some() {
        count.min(text.len())
    } else {
        0
    });
    let mut words: Vec<&str> = Vec::with_capacity(header.num_columns);
    for (atom, content) in lines.take(count).enumerate() {
        let at = line + 2 + atom as u64;
        words.clear();
        words.extend(content.split_ascii_whitespace());
        if words.len() != header.num_columns {
            let (expected, found) = (header.num_columns, words.len());
            return Err(broken(
                at,
                format!("expected {expected} columns, found {found}"),
            ));
        }
        let species = words[header.species];
        let z = atomic_number(species).ok_or_else(|| DataError::UnknownElement {
            origin: origin.clone(),
            found: species.to_owned(),
        })?;
        structure.atomic_numbers.push(z);
        let vector = |start: usize| -> Result<[f64; 3], DataError> {
            let number = |k: usize| parse_number(words[start + k]).map_err(|e| broken(at, e));
            Ok([number(0)?, number(1)?, number(2)?])
        };
        structure.positions.push(vector(header.positions)?);
        if let Some((start, _)) = &header.forces {
            forces.push(vector(*start)?);
        }
    }
    if structure.positions.len() != count {
        return Err(broken(
            line,
            format!("{} of {count} atoms", structure.positions.len()),
        ));
    }
    let mut sources = LabelSources::default();
    if let Some((_, name)) = &header.forces {
        structure.forces = Some(forces);
        sources.forces = Some(name.clone());
    }
    sources.also = header.also;
    fill_from_pairs(&mut structure, &mut sources, &header.pairs, keys)
        .map_err(|e| broken(line + 1, e))?;
    Ok((structure, sources))
}

/// What the comment line says about the columns.
struct Header {
    pairs: Pairs,
    num_columns: usize,
    species: usize,
    positions: usize,
    /// First column and name.
    forces: Option<(usize, String)>,
    also: Vec<String>,
}

impl Header {
    fn parse(comment: &str, keys: &LabelKeys) -> Result<Self, String> {
        let pairs = parse_pairs(comment);
        let names_columns = |pairs: &Pairs| value(pairs, &["properties"]).map(str::to_owned);
        let (pairs, properties) = match pairs {
            Ok(pairs) => {
                let properties = names_columns(&pairs);
                (pairs, properties)
            }
            // A plain XYZ file has free text here.
            Err(_) if !comment.to_ascii_lowercase().contains("properties=") => (Pairs::new(), None),
            Err(reason) => return Err(reason),
        };
        let columns = parse_properties(properties.as_deref().unwrap_or("species:S:1:pos:R:3"))?;
        let named = |names: &[&str]| {
            columns
                .iter()
                .find(|c| names.iter().any(|n| c.name.eq_ignore_ascii_case(n)))
        };
        let species = named(&["species", "symbols", "symbol", "element", "elements"])
            .or_else(|| named(&["Z", "numbers", "atomic_numbers"]))
            .ok_or("Properties has no column `species` (or `Z`)")?;
        let positions = named(&["pos", "positions"]).ok_or("Properties has no column `pos`")?;
        check_vector(positions)?;
        if species.count != 1 {
            return Err(format!(
                "column `{}` has {} entries, not 1",
                species.name, species.count
            ));
        }
        let mut also = Vec::new();
        let forces = find_key(
            &keys.forces,
            columns.iter().map(|c| c.name.as_str()),
            &mut also,
        );
        let forces = match forces.map(|at| &columns[at]) {
            Some(column) => {
                check_vector(column)?;
                Some((column.start, column.name.clone()))
            }
            None => None,
        };
        Ok(Self {
            num_columns: columns.iter().map(|c| c.count).sum(),
            species: species.start,
            positions: positions.start,
            forces,
            also,
            pairs,
        })
    }
}

fn check_vector(column: &Column) -> Result<(), String> {
    if column.count == 3 && matches!(column.kind, ColumnKind::Real | ColumnKind::Integer) {
        return Ok(());
    }
    Err(format!(
        "column `{}` must be three real numbers (R:3)",
        column.name
    ))
}

/// Value of the first of these keys that is present, case ignored.
fn value<'a>(pairs: &'a Pairs, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| {
        let pair = pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        pair.map(|(_, value)| value.as_str())
    })
}

/// Cell, periodicity, labels and the rest of the comment line.
fn fill_from_pairs(
    structure: &mut Structure,
    sources: &mut LabelSources,
    pairs: &Pairs,
    keys: &LabelKeys,
) -> Result<(), String> {
    if let Some(text) = value(pairs, &["lattice"]) {
        let numbers = parse_numbers(text).map_err(|reason| format!("Lattice: {reason}"))?;
        let cell = match numbers[..] {
            [a, b, c] => [[a, 0.0, 0.0], [0.0, b, 0.0], [0.0, 0.0, c]],
            _ if numbers.len() == 9 => tensor(&numbers).expect("nine numbers"),
            _ => return Err(format!("Lattice has {} numbers, not 9", numbers.len())),
        };
        // An all-zero cell is the usual way to write that there is none.
        structure.cell = (cell != [[0.0; 3]; 3]).then_some(cell);
    }
    structure.pbc = match value(pairs, &["pbc"]) {
        Some(text) => {
            let words: Vec<&str> = text
                .split(|c: char| c.is_whitespace() || c == ',')
                .filter(|w| !w.is_empty())
                .collect();
            match words[..] {
                [one] => [parse_bool(one)?; 3],
                [a, b, c] => [parse_bool(a)?, parse_bool(b)?, parse_bool(c)?],
                _ => return Err(format!("pbc=`{text}` is not three truth values")),
            }
        }
        // As in ASE: a lattice alone means periodic along all axes.
        None => [structure.cell.is_some(); 3],
    };
    let names = pairs.iter().map(|(key, _)| key.as_str());
    let also = &mut sources.also;
    if let Some(at) = find_key(&keys.energy, names.clone(), also) {
        structure.energy = Some(named_number(&pairs[at])?);
        sources.energy = Some(pairs[at].0.clone());
    }
    let read_tensor = |at: usize| -> Result<[[f64; 3]; 3], String> {
        let (key, text) = &pairs[at];
        let numbers = parse_numbers(text).map_err(|reason| format!("`{key}`: {reason}"))?;
        tensor(&numbers).ok_or(format!("`{key}` has {} numbers, not 9 or 6", numbers.len()))
    };
    let stress = find_key(&keys.stress, names.clone(), also);
    let virial = find_key(&keys.virial, names, also);
    structure.stress = match (stress, virial) {
        (Some(at), _) => Some(read_tensor(at)?),
        (None, Some(at)) => Some(stress_from_virial(read_tensor(at)?, structure)?),
        (None, None) => None,
    };
    sources.stress = stress.or(virial).map(|at| pairs[at].0.clone());
    if let (Some(_), Some(at)) = (stress, virial) {
        also.push(pairs[at].0.clone());
    }
    structure.charge = integer(pairs, &["total_charge", "charge"])?;
    structure.spin = integer(pairs, &["total_spin", "spin"])?;
    if structure.spin.is_none() {
        let multiplicity = integer(pairs, &["spin_multiplicity", "multiplicity"])?;
        structure.spin = multiplicity.map(|m| m - 1);
    }
    let is_weight = |key: &str| {
        ["config_weight", "weight"]
            .iter()
            .any(|w| key.eq_ignore_ascii_case(w))
    };
    if let Some(pair) = pairs.iter().find(|(key, _)| is_weight(key)) {
        structure.weight = named_number(pair)?;
    }
    structure.config_type = value(pairs, &["config_type"]).map(str::to_owned);
    Ok(())
}

/// The number of a pair; the error names its key.
fn named_number((key, text): &(String, String)) -> Result<f64, String> {
    parse_number(text.trim()).map_err(|reason| format!("`{key}`: {reason}"))
}

fn integer(pairs: &Pairs, names: &[&str]) -> Result<Option<i32>, String> {
    let named = |name: &&str| pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    let Some(pair) = names.iter().find_map(named) else {
        return Ok(None);
    };
    let number = named_number(pair)?;
    let whole = number.fract() == 0.0 && number.abs() < 1e6;
    let error = || format!("`{}` is {number}, expected an integer", pair.0);
    whole.then_some(Some(number as i32)).ok_or_else(error)
}
