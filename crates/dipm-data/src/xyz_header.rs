//! The comment line of an extended XYZ frame: `key=value` pairs and the column list.
//!
//! The format is that of the extended XYZ specification of libAtoms and of ASE: values are bare words
//! or quoted by `"`, `'`, `{}` or `[]`; a key without `=` is a flag.

/// Key and value, in file order. A flag has the value `T`.
pub(crate) type Pairs = Vec<(String, String)>;

/// Splits a comment line into its pairs.
///
/// # Errors
/// A sentence saying what is wrong.
pub(crate) fn parse_pairs(line: &str) -> Result<Pairs, String> {
    let mut rest = line.trim();
    let mut pairs = Pairs::new();
    while !rest.is_empty() {
        let (key, after) = take_word(rest)?;
        let after = after.trim_start();
        if let Some(value) = after.strip_prefix('=') {
            let value = value.trim_start();
            if value.is_empty() {
                return Err(format!("`{key}=` has no value"));
            }
            let (value, after) = take_word(value)?;
            pairs.push((key, value));
            rest = after.trim_start();
        } else {
            pairs.push((key, "T".to_owned()));
            rest = after;
        }
    }
    Ok(pairs)
}

/// One bare, quoted or bracketed word and the text after it.
fn take_word(text: &str) -> Result<(String, &str), String> {
    let first = text.chars().next().expect("callers pass non-empty text");
    match first {
        '"' | '\'' => take_quoted(text, first),
        '{' => take_bracketed(text, '{', '}'),
        '[' => take_bracketed(text, '[', ']'),
        '=' => Err("a value without a key".to_owned()),
        _ => {
            let end = text
                .find(|c: char| c.is_whitespace() || c == '=')
                .unwrap_or(text.len());
            Ok((text[..end].to_owned(), &text[end..]))
        }
    }
}

fn take_quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, 'n')) => word.push('\n'),
                Some((_, escaped)) => word.push(escaped),
                None => break,
            },
            c if c == quote => return Ok((word, &text[at + c.len_utf8()..])),
            c => word.push(c),
        }
    }
    Err(format!("a quotation mark {quote} is never closed"))
}

/// The text between matching brackets, inner brackets kept.
fn take_bracketed(text: &str, open: char, close: char) -> Result<(String, &str), String> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                let inside = &text[open.len_utf8()..at];
                return Ok((inside.to_owned(), &text[at + close.len_utf8()..]));
            }
        }
    }
    Err(format!("a bracket {open} is never closed"))
}

/// Numbers separated by blanks, commas or brackets.
pub(crate) fn parse_numbers(text: &str) -> Result<Vec<f64>, String> {
    let is_separator = |c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '{' | '}');
    let words = text.split(is_separator).filter(|w| !w.is_empty());
    words.map(parse_number).collect()
}

/// A number, also with the exponent letter D of Fortran.
pub(crate) fn parse_number(word: &str) -> Result<f64, String> {
    if let Ok(number) = word.parse() {
        return Ok(number);
    }
    let with_e = word.replace(['d', 'D'], "e");
    let is_number = with_e.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let number = with_e.parse().ok().filter(|_| is_number);
    number.ok_or_else(|| format!("`{word}` is not a number"))
}

/// `T`, `F`, `true`, `false`, `1`, `0` in any case.
pub(crate) fn parse_bool(word: &str) -> Result<bool, String> {
    match word.to_ascii_lowercase().as_str() {
        "t" | "true" | "1" => Ok(true),
        "f" | "false" | "0" => Ok(false),
        _ => Err(format!("`{word}` is not a truth value (T or F)")),
    }
}

/// Kind of the values in a column: text, real, integer or logical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    Real,
    Integer,
    Logical,
}

/// One entry of `Properties`: a name, a kind, and how many columns of which the first is `start`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub name: String,
    pub kind: ColumnKind,
    pub count: usize,
    pub start: usize,
}

/// Parses `species:S:1:pos:R:3:forces:R:3`.
///
/// # Errors
/// A sentence saying what is wrong.
pub(crate) fn parse_properties(text: &str) -> Result<Vec<Column>, String> {
    let fields: Vec<&str> = text.split(':').collect();
    if !fields.len().is_multiple_of(3) {
        return Err(format!(
            "Properties=`{text}` is not a list of name:kind:columns"
        ));
    }
    let mut columns = Vec::with_capacity(fields.len() / 3);
    let mut start = 0_usize;
    for field in fields.chunks_exact(3) {
        let kind = match field[1] {
            "S" | "s" => ColumnKind::Text,
            "R" | "r" => ColumnKind::Real,
            "I" | "i" => ColumnKind::Integer,
            "L" | "l" => ColumnKind::Logical,
            other => return Err(format!("Properties: kind `{other}` is none of S, R, I, L")),
        };
        let count = field[2]
            .parse::<usize>()
            .ok()
            .filter(|n| (1..=1_000_000).contains(n));
        let count = count.ok_or_else(|| format!("Properties: `{}` columns", field[2]))?;
        let name = field[0].to_owned();
        if columns.iter().any(|c: &Column| c.name == name) {
            return Err(format!("Properties names `{name}` twice"));
        }
        columns.push(Column {
            name,
            kind,
            count,
            start,
        });
        start += count;
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_be_bare_quoted_or_bracketed() {
        let pairs = parse_pairs(
            r#" a=1 "b c"='x "y"' flag d={1 2 {3}} e=[[1, 2], [3, 4]] f="q\"r" g = 7 "#,
        )
        .unwrap();
        let expected = [
            ("a", "1"),
            ("b c", "x \"y\""),
            ("flag", "T"),
            ("d", "1 2 {3}"),
            ("e", "[1, 2], [3, 4]"),
            ("f", "q\"r"),
            ("g", "7"),
        ];
        let found: Vec<_> = pairs
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(parse_numbers(&pairs[4].1).unwrap(), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn what_is_never_closed_is_an_error() {
        for bad in ["a=\"1", "a={1", "a=[1", "=3", "a=", "a='x"] {
            assert!(parse_pairs(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn fortran_exponents_are_numbers() {
        assert_eq!(parse_number("-1.5D-3").unwrap(), -1.5e-3);
        assert!(parse_number("d").is_err());
        assert!(parse_number("H").is_err());
    }
}
