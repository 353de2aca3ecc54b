//! The daemon without a window: starts the core, says where it works, and stops it in order when asked to.

use std::io;
use std::path::Path;

use tempfile::TempDir;
use tinyforge_core::app::{App, AppOptions, EngineChoice};
use tinyforge_core::control::commands::{Command, GetStatus};
use tinyforge_core::control::shapes::{ApiError, ErrorCode, Status};
use tinyforge_core::home::{self, Home};
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::args::Serve;
use crate::output::{Output, tell};
use crate::reach;
use crate::run::{Failure, Outcome};
use crate::text::plain;

/// The index is one task's work and the database's another's; more threads would only wait.
const WORKERS: usize = 2;

/// Daily files, a week of them: what happened last weekend can still be read on Friday.
const LOG_FILES: usize = 7;

/// The libraries' own lines tell nothing below a warning, and the HTTP client's would hold environment values.
const LOG_LEVELS: &str = "info,bollard=warn,hyper=warn,hyper_util=warn";

pub fn serve(args: &Serve) -> Result<Outcome, Failure> {
    home::create_privately();
    let stage = if args.demo { Stage::demo()? } else { Stage::real(reach::home()?) };
    let _log = write_log(&stage.home)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let outcome = runtime.block_on(work(stage.options()))?;
    // Whatever still blocks a thread after an orderly stop is not waited for.
    runtime.shutdown_background();
    Ok(outcome)
}

/// Where the daemon works, and on which engine.
struct Stage {
    home: Home,
    /// Thrown away with this.
    demo: Option<TempDir>,
}

impl Stage {
    fn real(home: Home) -> Self {
        Self { home, demo: None }
    }

    fn demo() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tinyforge-demo-").tempdir()?;
        Ok(Self { home: Home::at(folder.path()), demo: Some(folder) })
    }

    fn options(&self) -> AppOptions {
        let engine = if self.demo.is_some() { EngineChoice::Demo } else { EngineChoice::Discover };
        AppOptions { home: self.home.clone(), engine }
    }
}

/// Listens for signals before the core starts, so that none is lost, and minds them once it stands.
async fn work(options: AppOptions) -> Result<Outcome, Failure> {
    let mut stop = system::Stop::listen()?;
    let folder = options.home.folder().to_owned();
    let app = tokio::select! {
        started = App::start(options) => started?,
        // What was begun is all or nothing: the next start finds it done or undone.
        signal = stop.asked() => {
            tell(&format!("stopped by a signal ({signal}) before it was up"));
            return Ok(Outcome::Done);
        }
    };
    let said = match status(&app).await {
        Ok(status) => Output::new(false).text(&greeting(&status, &folder)),
        Err(error) => {
            app.stop().await;
            return Err(error.into());
        }
    };
    if said.is_err() {
        tracing::warn!("standard output is closed; the daemon works on");
    }
    let signal = stop.asked().await;
    tracing::info!(signal, "asked to stop");
    tokio::select! {
        () = app.stop() => Ok(Outcome::Done),
        again = stop.asked() => {
            tell(&format!("stopped at once by a second signal ({again}); the next start recovers"));
            Ok(Outcome::FailedOrDiffers)
        }
    }
}

async fn status(app: &App) -> Result<Status, ApiError> {
    let unreadable =
        |error| ApiError::new(ErrorCode::Internal, format!("the status cannot be read: {error}"));
    let asked = serde_json::to_value(GetStatus {}).map_err(unreadable)?;
    let answer = app.desk().answer(GetStatus::NAME, asked).await?;
    serde_json::from_value(answer).map_err(unreadable)
}

/// The one line that says what runs, where, and how to end it.
fn greeting(status: &Status, folder: &Path) -> String {
    format!(
        "tinyforge {} keeps an exact index of {} in {} (pid {}; stop with Ctrl-C or SIGTERM)",
        plain(&status.version),
        plain(&status.engine.endpoint),
        plain(&folder.display().to_string()),
        std::process::id(),
    )
}

/// Everything to the data folder's logs, warnings to standard error too. Written by a thread of its own until the
/// guard is dropped.
fn write_log(home: &Home) -> Result<WorkerGuard, Failure> {
    let folder = home.logs();
    let unusable = |reason: String| ApiError::new(ErrorCode::Internal, reason);
    home.create_inside(&folder).map_err(|error| unusable(error.to_string()))?;
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("tinyforge")
        .filename_suffix("log")
        .max_log_files(LOG_FILES)
        .build(&folder)
        .map_err(|error| unusable(format!("cannot write logs to {}: {error}", folder.display())))?;
    let (files, guard) = tracing_appender::non_blocking(files);
    let levels = std::env::var("TINYFORGE_LOG").ok().and_then(|levels| EnvFilter::try_new(levels).ok());
    let to_files = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(files)
        .with_filter(levels.unwrap_or_else(|| EnvFilter::new(LOG_LEVELS)));
    let to_terminal = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .with_writer(io::stderr)
        .with_filter(LevelFilter::WARN);
    // A second call in one process finds a log that is being written already, which serves as well.
    let _ = tracing_subscriber::registry().with(to_files).with(to_terminal).try_init();
    Ok(guard)
}

#[cfg(unix)]
mod system {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// The ways a daemon is asked to stop.
    pub struct Stop {
        interrupt: Signal,
        terminate: Signal,
        hang_up: Signal,
    }

    impl Stop {
        pub fn listen() -> io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hang_up: signal(SignalKind::hangup())?,
            })
        }

        pub async fn asked(&mut self) -> &'static str {
            tokio::select! {
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.hang_up.recv() => "SIGHUP",
            }
        }
    }
}

#[cfg(windows)]
mod system {
    use std::io;

    /// The way a daemon is asked to stop.
    pub struct Stop;

    impl Stop {
        pub fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        pub async fn asked(&mut self) -> &'static str {
            // Without a handler there is nobody to ask; the system ends the process itself.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            "Ctrl-C"
        }
    }
}
