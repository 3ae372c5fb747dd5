//! The log on standard error. A thread of its own writes it from a bounded queue ([`queue`]): when nobody reads, lines are
//! dropped and counted, and the server goes on.

mod queue;

use clap::ValueEnum;
pub use queue::Dropped;
use queue::Queue;
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// How often it is looked whether lines were dropped.
const DROPPED_INTERVAL: Duration = Duration::from_secs(5);

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Time, level, words
    Text,
    /// One JSON object
    Json,
}

/// What commands that do one thing can be told about the line they leave.
#[derive(clap::Args)]
pub struct LogArguments {
    /// Log failures only, not what was done
    #[arg(long)]
    quiet: bool,

    /// Form of the line in the log, on standard error
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
}

impl LogArguments {
    pub fn start(&self) -> Log {
        Log::start(self.quiet, self.log_format)
    }
}

/// Logs as long as it lives; what waits is written when it is dropped, if that takes no longer than a second.
pub struct Log(queue::Thread);

impl Log {
    /// Our own lines only: those of the libraries can hold headers.
    pub fn start(quiet: bool, format: LogFormat) -> Self {
        let thread = Queue::start(std::io::stderr());
        let queue = thread.queue();
        let level = if quiet { LevelFilter::WARN } else { LevelFilter::INFO };
        let lines = tracing_subscriber::fmt::layer().with_writer(queue).event_format(Lines(format));
        tracing_subscriber::registry().with(lines).with(Targets::new().with_target("strongroom", level)).init();
        Self(thread)
    }

    /// Counts the lines that were dropped.
    pub fn dropped(&self) -> Dropped {
        self.0.dropped()
    }
}

/// Says in the log, when it is read again, how much of it is missing.
pub async fn report_dropped(dropped: Dropped) {
    let mut reported = 0;
    loop {
        tokio::time::sleep(DROPPED_INTERVAL).await;
        let now = dropped.count();
        if now > reported {
            tracing::warn!(target: "strongroom", "{} lines of this log were dropped: nobody read them", now - reported);
            reported = now;
        }
    }
}

struct Lines(LogFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = event.metadata().level();
        match self.0 {
            // The other fields repeat what the message says.
            LogFormat::Text => {
                SystemTime.format_time(&mut line)?;
                write!(line, " {level:>5} ")?;
                let mut message = Message { line: &mut line, written: Ok(()) };
                event.record(&mut message);
                message.written?;
                writeln!(line)
            }
            LogFormat::Json => {
                let mut time = String::new();
                SystemTime.format_time(&mut Writer::new(&mut time))?;
                let mut fields = Fields::default();
                event.record(&mut fields);
                let mut object = Map::new();
                object.insert("time".into(), time.into());
                object.insert("level".into(), level.as_str().to_lowercase().into());
                match fields.others.is_empty() {
                    true => _ = object.insert("message".into(), fields.message.into()),
                    false => object.extend(fields.others),
                }
                writeln!(line, "{}", Value::Object(object))
            }
        }
    }
}

/// Writes the message, and no other field.
struct Message<'a, 'w> {
    line: &'a mut Writer<'w>,
    written: fmt::Result,
}

impl Visit for Message<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.written = write!(self.line, "{value:?}");
        }
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.others.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.others.insert(field.name().into(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.others.insert(field.name().into(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => _ = self.others.insert(name.into(), format!("{value:?}").into()),
        }
    }
}
