//! A YAML document as a tree in which everything knows its place in the file.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span};

/// Most values of a document, aliases expanded and anchors counted twice; a configuration has a hundred.
const MOST_NODES: usize = 100_000;
/// Most bytes that aliases may add, texts included.
const MOST_ALIASED: usize = 1 << 20;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Bytes of the file.
    pub span: Range<usize>,
}

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A word, number or text.
    Scalar {
        /// Its text, without quotes.
        text: String,
        /// Whether it stood in quotes or in a block, which makes it a text whatever it looks like.
        quoted: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file; keys can be there twice.
    Map(Vec<(Node, Node)>),
}

/// Why a text is no YAML document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// What the parser says.
    pub message: String,
    /// Bytes of the file.
    pub span: Range<usize>,
}

impl Node {
    /// Whether it is `null`, in any spelling, or nothing at all.
    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar {
                text,
                quoted: false,
            } => matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"),
            _ => false,
        }
    }

    /// The first value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries
            .iter()
            .find(|(name, _)| name.text() == Some(key))
            .map(|(_, value)| value)
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// What it is, for messages: "`abc`", "a list", "a map", "nothing".
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Scalar { text, quoted } if text.is_empty() && *quoted => "an empty text".into(),
            Value::Scalar { .. } if self.is_null() => "nothing".into(),
            Value::Scalar { text, .. } => format!("`{text}`"),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Map(_) => "a map".into(),
        }
    }
}

/// The document of a file; `None` when it holds nothing.
///
/// # Errors
/// A [`SyntaxError`] for what is not YAML, has several documents, unknown aliases, or keys that are not
/// words.
pub fn parse(source: &str) -> Result<Option<Node>, SyntaxError> {
    let mut builder = Builder {
        source,
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        count: 0,
        aliased: 0,
    };
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|error| {
            let at = error.marker().byte_offset().unwrap_or(source.len());
            SyntaxError {
                message: error.info(),
                span: one_character(source, at),
            }
        })?;
        builder.take(event, bytes(source, span))?;
    }
    Ok(builder.root)
}

/// Bytes of a span, without the blanks and line ends that close a block.
fn bytes(source: &str, span: Span) -> Range<usize> {
    let range = span.byte_range().unwrap_or(0..0);
    let end = range.end.min(source.len());
    let start = range.start.min(end);
    let text = source.get(start..end).unwrap_or("");
    start..start + text.trim_end().len()
}

/// The character at `at`, or the last one before the end.
fn one_character(source: &str, at: usize) -> Range<usize> {
    let at = at.min(source.trim_end().len());
    match source.get(at..).and_then(|rest| rest.chars().next()) {
        Some(c) if c != '\n' => at..at + c.len_utf8(),
        _ => at..at,
    }
}

/// A list or map under construction.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Node>,
}

struct Builder<'s> {
    source: &'s str,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    count: usize,
    aliased: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), SyntaxError> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let quoted = style != ScalarStyle::Plain;
                let text = text.into_owned();
                let value = Value::Scalar { text, quoted };
                self.put(Node { value, span }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.start(Value::List(Vec::new()), span, anchor),
            Event::MappingStart(_, anchor, _) => self.start(Value::Map(Vec::new()), span, anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let mut open = self.open.pop().expect("the parser closes what it opened");
                let last = match &open.node.value {
                    Value::List(items) => items.last().map(|item| item.span.end),
                    Value::Map(entries) => entries.last().map(|(_, value)| value.span.end),
                    Value::Scalar { .. } => None,
                };
                let end = span.end.max(last.unwrap_or(0)).max(open.node.span.end);
                // The end of a block is only seen at the next token.
                let block = !matches!(
                    self.source.as_bytes().get(open.node.span.start),
                    Some(b'[' | b'{')
                );
                open.node.span.end = if block { last.unwrap_or(end) } else { end };
                self.put(open.node, open.anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    let message = "an alias must not refer to what contains it".to_owned();
                    return Err(SyntaxError { message, span });
                };
                // before the copy is made: a few aliases of aliases multiply to any size
                let (values, bytes) = size(node);
                self.count += values;
                self.aliased += bytes;
                if self.count > MOST_NODES || self.aliased > MOST_ALIASED {
                    let message = "aliases repeat too much".to_owned();
                    return Err(SyntaxError { message, span });
                }
                let value = node.value.clone();
                self.put(Node { value, span }, 0)
            }
            Event::DocumentStart(..) if self.root.is_some() => Err(SyntaxError {
                message: "a second document begins here, expected one".to_owned(),
                span,
            }),
            _ => Ok(()),
        }
    }

    fn start(
        &mut self,
        value: Value,
        span: Range<usize>,
        anchor: usize,
    ) -> Result<(), SyntaxError> {
        let node = Node { value, span };
        let key = None;
        self.open.push(Open { node, anchor, key });
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), SyntaxError> {
        self.count += 1;
        if self.count > MOST_NODES {
            let message = format!("more than {MOST_NODES} values");
            let span = node.span;
            return Err(SyntaxError { message, span });
        }
        if anchor > 0 {
            let (values, bytes) = size(&node);
            self.count += values;
            self.aliased += bytes;
            if self.count > MOST_NODES || self.aliased > MOST_ALIASED {
                let message = "anchors hold too much".to_owned();
                let span = node.span;
                return Err(SyntaxError { message, span });
            }
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match open.key.take() {
                Some(key) => entries.push((key, node)),
                None if node.text().is_some() => open.key = Some(node),
                None => {
                    return Err(SyntaxError {
                        message: format!("a key must be a word, found {}", node.describe()),
                        span: node.span,
                    });
                }
            },
            Value::Scalar { .. } => unreachable!("only lists and maps are opened"),
        }
        Ok(())
    }
}

/// Values inside and including a node, and bytes of their texts.
fn size(node: &Node) -> (usize, usize) {
    let add = |(values, bytes), node: &Node| {
        let (more, text) = size(node);
        (values + more, bytes + text)
    };
    match &node.value {
        Value::Scalar { text, .. } => (1, text.len()),
        Value::List(items) => items.iter().fold((1, 0), add),
        Value::Map(entries) => entries.iter().flat_map(|(k, v)| [k, v]).fold((1, 0), add),
    }
}
