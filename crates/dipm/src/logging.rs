//! Log lines: `INFO (dipm): message` on standard error.

use std::fmt;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts logging: information by default, decisions and everything with `verbose` 1 and 2. Other
/// crates than ours are heard only when they warn.
pub fn start(verbose: u8) {
    let level = match verbose {
        0 => "info",
        1 => "debug",
        _ => "trace",
    };
    let ours = [
        "dipm",
        "dipm_data",
        "dipm_field",
        "dipm_models",
        "dipm_train",
    ];
    let filter = ours.map(|name| format!("{name}={level}")).join(",");
    let filter = tracing_subscriber::EnvFilter::new(format!("warn,{filter}"));
    // a second call in one process, as in tests, keeps the first
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .event_format(Line)
        .with_writer(std::io::stderr)
        .try_init();
}

/// Level, program, message.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::WARN => "WARNING".to_owned(),
            level => level.to_string(),
        };
        write!(writer, "{level} (dipm): ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
