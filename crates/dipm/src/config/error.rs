//! What is wrong with a configuration, shown at its place in the file.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

/// A file or an argument of the command line, of which whole lines are shown.
#[derive(Debug)]
struct Source {
    name: String,
    text: String,
    /// Where it begins in the text of all sources one after another, which places refer to before they are shown.
    start: usize,
    is_argument: bool,
}

/// What was read: the file, and after it arguments of the command line.
#[derive(Debug)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    /// The file alone.
    pub(super) fn file(path: &Path, text: &str) -> Self {
        Self(vec![Source {
            name: path.display().to_string(),
            text: text.to_owned(),
            start: 0,
            is_argument: false,
        }])
    }

    /// Adds an argument of the command line, and says where it begins.
    pub(super) fn add_argument(&mut self, text: String) -> usize {
        let last = self.0.last().expect("the file is there");
        let start = last.start + last.text.len() + 1;
        self.0.push(Source {
            name: "command line".to_owned(),
            text,
            start,
            is_argument: true,
        });
        start
    }
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        _lines_before: usize,
        _lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let start = span.offset();
        let end = start + span.len();
        let (Some(before), Some(rest)) = (self.text.get(..start), self.text.get(end..)) else {
            return Err(MietteError::OutOfBounds);
        };
        let first = before.rfind('\n').map_or(0, |at| at + 1);
        let last = end + rest.find(['\n', '\r']).unwrap_or(rest.len());
        let shown = &self.text[first..last];
        let line = before.matches('\n').count();
        let column = before[first..].chars().count();
        let place = SourceSpan::from(first..last);
        let lines = shown.lines().count();
        let name = self.name.clone();
        let contents =
            MietteSpanContents::new_named(name, shown.as_bytes(), place, line, column, lines);
        Ok(Box::new(contents))
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What is wrong, in a sentence.
    pub message: String,
    /// Bytes of the file or argument; `None` for what is missing, or what the file system says.
    pub span: Option<Range<usize>>,
    /// What is said below the place.
    pub label: Option<String>,
    /// What to do.
    pub help: Option<String>,
    file: Option<Arc<Source>>,
}

impl Problem {
    /// A problem at a place.
    pub(super) fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            ..Self::anywhere(message)
        }
    }

    /// A problem without a place.
    pub(super) fn anywhere(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            message,
            span: None,
            label: None,
            help: None,
            file: None,
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `file:line:column`, 1-based, columns in characters, or the argument; without a place the empty text.
    pub fn place(&self) -> String {
        let (Some(span), Some(file)) = (&self.span, &self.file) else {
            return String::new();
        };
        if file.is_argument {
            return format!("`{}`", file.text);
        }
        let before = &file.text[..span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        format!("{}:{line}:{column}", file.name)
    }
}

/// What another crate says about a key, with the key in front.
pub(super) fn sentence(key: &str, message: &str) -> String {
    let goes_on = ["is ", "has ", "must ", "needs ", "cannot "];
    let colon = if goes_on.iter().any(|verb| message.starts_with(verb)) {
        ""
    } else {
        ":"
    };
    format!("`{key}`{colon} {message}")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.span.as_ref()?;
        self.file.as_deref().map(|file| file as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span.clone()?;
        let label = LabeledSpan::new_primary_with_span(self.label.clone(), span);
        Some(Box::new(std::iter::once(label)))
    }
}

/// Everything that is wrong with a configuration.
///
/// As text it is one line a problem: place, message, what is allowed, what to do. As a
/// [`Diagnostic`] each problem shows its line of the file; [`Self::render`] gives that as text.
#[derive(Debug, Clone)]
pub struct ConfigError {
    path: PathBuf,
    problems: Vec<Problem>,
}

impl ConfigError {
    /// Problems of a file and of the command line, put in the order of the file.
    pub(super) fn new(path: &Path, sources: Sources, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.as_ref().map_or(usize::MAX, |span| span.start));
        let sources: Vec<Arc<Source>> = sources.0.into_iter().map(Arc::new).collect();
        for problem in &mut problems {
            let Some(span) = &mut problem.span else {
                continue;
            };
            let source = sources.iter().rev().find(|s| s.start <= span.start);
            let source = source.expect("the file begins at 0");
            *span = span.start - source.start..span.end - source.start;
            problem.file = Some(Arc::clone(source));
        }
        Self {
            path: path.to_owned(),
            problems,
        }
    }

    /// The problems, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// All problems with their lines, as shown in a terminal of `width` columns; with or without colours.
    pub fn render(&self, width: usize, colours: bool) -> String {
        let theme = match colours {
            true => GraphicalTheme::unicode(),
            false => GraphicalTheme::unicode_nocolor(),
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width)
            .with_context_lines(0)
            .with_links(false);
        let mut text = String::new();
        for problem in &self.problems {
            handler
                .render_report(&mut text, problem)
                .expect("writing to a string does not fail");
            if !text.ends_with("\n\n") {
                text.push('\n');
            }
        }
        text.push_str(&self.summary());
        text.push('\n');
        text
    }

    fn summary(&self) -> String {
        let number = match self.problems.len() {
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        format!("{number} in {}, nothing was done", self.path.display())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        for problem in &self.problems {
            let place = problem.place();
            let separator = if place.is_empty() { "" } else { ": " };
            write!(f, "\n{place}{separator}{}", problem.message)?;
            for more in [&problem.label, &problem.help].into_iter().flatten() {
                write!(f, "; {more}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Diagnostic for ConfigError {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(
            self.problems
                .iter()
                .map(|problem| problem as &dyn Diagnostic),
        ))
    }
}
