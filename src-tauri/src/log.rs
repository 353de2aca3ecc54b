//! Where the program writes what happened: daily files in the data folder, and warnings on standard error.

use std::io;

use tinyforge_core::home::Home;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// A week: what happened last weekend can still be read on Friday.
const LOG_FILES: usize = 7;

/// The libraries' own lines tell nothing below a warning, and the HTTP client's would hold environment values.
const LOG_LEVELS: &str = "info,bollard=warn,hyper=warn,hyper_util=warn,zbus=warn";

/// Written by a thread of its own until the guard is dropped.
pub fn open(home: &Home) -> Result<WorkerGuard, Box<dyn std::error::Error>> {
    let folder = home.logs();
    home.create_inside(&folder)?;
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("window")
        .filename_suffix("log")
        .max_log_files(LOG_FILES)
        .build(&folder)?;
    let (file, guard) = tracing_appender::non_blocking(files);
    let to_file = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(file)
        .with_filter(EnvFilter::new(LOG_LEVELS));
    let to_terminal = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_filter(LevelFilter::WARN);
    tracing_subscriber::registry().with(to_file).with(to_terminal).try_init()?;
    Ok(guard)
}
