//! The `dipm` program.
fn main() {}
