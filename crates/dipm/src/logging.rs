//! Log lines: `INFO (dipm): message` on standard error.

use std::fmt;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts logging: information by default, decisions and everything with `verbose` 1 and 2. Other
/// crates than ours are heard only when they warn.
pub fn start(verbose: u8) {
    let rank = crate::launcher::place().rank;
    let level = match verbose {
        // what the first of several processes says is true of all
        0 if rank > 0 => "warn",
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
        .event_format(Line { rank })
        .with_writer(std::io::stderr)
        .try_init();
}

/// Level, program, message; of all but the first of several processes also their rank.
struct Line {
    rank: usize,
}

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
        match self.rank {
            0 => write!(writer, "{level} (dipm): ")?,
            rank => write!(writer, "{level} (dipm, rank {rank}): ")?,
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
