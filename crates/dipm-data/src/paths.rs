//! From paths as written in a configuration to the files of a role.

use std::path::{Path, PathBuf};

use crate::error::DataError;

/// Endings of data files, in the order in which a directory is expanded.
const ENDINGS: [&str; 4] = ["hdf5", "h5", "xyz", "extxyz"];
/// Directories nested deeper than this are taken for a loop of links.
const DEEPEST: usize = 64;

/// Files of one role, possibly by task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatasetPaths {
    /// Files and directories.
    Paths(Vec<PathBuf>),
    /// Name of each task and its files and directories, in the order of the configuration.
    Tasks(Vec<(String, Vec<PathBuf>)>),
}

impl DatasetPaths {
    /// Paths of a single file or directory.
    pub fn single(path: impl Into<PathBuf>) -> Self {
        Self::Paths(vec![path.into()])
    }

    /// Names of the tasks.
    pub fn task_list(&self) -> Option<Vec<String>> {
        match self {
            Self::Paths(_) => None,
            Self::Tasks(tasks) => Some(tasks.iter().map(|(name, _)| name.clone()).collect()),
        }
    }

    /// All files, task by task, each with the position of its task in `task_list`.
    ///
    /// # Errors
    /// [`DataError::Options`] when the tasks are not exactly those of `task_list`, or those of
    /// [`expand_paths`].
    pub(crate) fn files(
        &self,
        task_list: Option<&[String]>,
    ) -> Result<Vec<(PathBuf, Option<usize>)>, DataError> {
        match (self, task_list) {
            (Self::Paths(paths), None) => Ok(expand_paths(paths)?
                .into_iter()
                .map(|path| (path, None))
                .collect()),
            (Self::Tasks(tasks), Some(list)) if same_names(tasks, list) => {
                let mut files = Vec::new();
                for (name, paths) in tasks {
                    let task = list.iter().position(|n| n == name);
                    files.extend(expand_paths(paths)?.into_iter().map(|path| (path, task)));
                }
                Ok(files)
            }
            _ => Err(DataError::Options {
                reason: "the dataset paths of all roles must have the same tasks as \
                         `train_dataset_paths`, or none"
                    .to_owned(),
            }),
        }
    }
}

fn same_names(tasks: &[(String, Vec<PathBuf>)], list: &[String]) -> bool {
    let mut names: Vec<&String> = tasks.iter().map(|(name, _)| name).collect();
    let mut expected: Vec<&String> = list.iter().collect();
    names.sort_unstable();
    expected.sort_unstable();
    names == expected && names.windows(2).all(|pair| pair[0] != pair[1])
}

/// Replaces every directory by the data files below it.
///
/// A directory is searched recursively; its `.hdf5` files come first, then `.h5`, `.xyz` and
/// `.extxyz`, each group sorted by path. Files are taken as they are, whatever their name.
///
/// # Errors
/// [`DataError::Io`] for what does not exist, [`DataError::BrokenFile`] for a directory without
/// data files, [`DataError::Options`] for an empty list.
pub fn expand_paths(paths: &[PathBuf]) -> Result<Vec<PathBuf>, DataError> {
    if paths.is_empty() {
        return Err(DataError::Options {
            reason: "a list of dataset paths is empty".to_owned(),
        });
    }
    let mut files = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|e| DataError::io(path, e))?;
        if metadata.is_dir() {
            files.extend(expand_directory(path)?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn expand_directory(directory: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut found: Vec<(usize, PathBuf)> = Vec::new();
    walk(directory, 0, &mut found)?;
    if found.is_empty() {
        return Err(DataError::broken_file(
            directory,
            "no .hdf5, .h5, .xyz or .extxyz file in this directory",
        ));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn walk(
    directory: &Path,
    depth: usize,
    found: &mut Vec<(usize, PathBuf)>,
) -> Result<(), DataError> {
    if depth > DEEPEST {
        return Err(DataError::broken_file(
            directory,
            "directories are nested too deeply",
        ));
    }
    let entries = std::fs::read_dir(directory).map_err(|e| DataError::io(directory, e))?;
    for entry in entries {
        let path = entry.map_err(|e| DataError::io(directory, e))?.path();
        if path.is_dir() {
            walk(&path, depth + 1, found)?;
        } else if let Some(extension) = path.extension().and_then(|e| e.to_str())
            && let Some(rank) = ENDINGS.iter().position(|e| *e == extension)
        {
            found.push((rank, path));
        }
    }
    Ok(())
}
