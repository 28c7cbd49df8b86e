//! Train interatomic potentials: configuration, commands, the binary.
