//! Pieces of HTML.

use std::fmt::Write;

/// Adds formatted text.
pub fn append(text: &mut String, arguments: std::fmt::Arguments) {
    text.write_fmt(arguments)
        .expect("writing to a string never fails");
}

/// Text with what has a meaning in HTML replaced, for contents and for attributes.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // no document may hold these
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
