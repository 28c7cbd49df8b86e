//! The documentation of the keys is that of the table.

use std::path::Path;

#[test]
fn the_documentation_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md");
    let text = dipm::config::documentation();
    if std::env::var_os("DIPM_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        stored, text,
        "docs/config.md is out of date; DIPM_BLESS=1 writes it"
    );
}
