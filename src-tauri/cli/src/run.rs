//! One function for each command: ask, print, and say with which code to leave.

use std::io;
use std::process::ExitCode;

use clap::CommandFactory;
use jiff::{Timestamp, ZonedDateTime};
use serde::Serialize;
use tinyforge_core::app;
use tinyforge_core::control::commands::{self as command, Command, Nature};
use tinyforge_core::control::shapes::{ApiError, ErrorCode, Finding, PartState};

use crate::args::{self, Arguments, Asked, BackupVerb, Completions, Format, SettingsVerb, Targets};
use crate::follow::follow;
use crate::notifications;
use crate::output::{Output, tell};
use crate::reach::{self, Reached};
use crate::render::{self, Host, View};
use crate::serve;
use crate::stale;

/// How many lines `events` shows.
pub const LATEST: u32 = 200;

/// And with how many it begins when it follows.
const FOLLOWED: u32 = 10;

/// Why a command did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("standard output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    fn code(&self) -> ExitCode {
        match self {
            Self::Api(error) => match error.code {
                ErrorCode::Usage => Outcome::WrongUsage,
                ErrorCode::EngineAway => Outcome::EngineNeeded,
                ErrorCode::NotFound
                | ErrorCode::Ambiguous
                | ErrorCode::Refused
                | ErrorCode::Conflict
                | ErrorCode::Locked
                | ErrorCode::Database
                | ErrorCode::Version
                | ErrorCode::DaemonGone
                | ErrorCode::Internal => Outcome::FailedOrDiffers,
            },
            Self::Output(_) => Outcome::FailedOrDiffers,
        }
        .code()
    }
}

/// How a command ends, as its exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    FailedOrDiffers,
    WrongUsage,
    EngineNeeded,
}

impl Outcome {
    fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::FailedOrDiffers => 1,
            Self::WrongUsage => 2,
            Self::EngineNeeded => 3,
        })
    }

    pub fn done_if(done: bool) -> Self {
        if done { Self::Done } else { Self::FailedOrDiffers }
    }
}

/// Carries the command out; messages go to standard error.
pub fn run(arguments: Arguments) -> ExitCode {
    match carry_out(arguments.command) {
        Ok(outcome) => outcome.code(),
        Err(failure) => {
            tell(&failure.to_string());
            failure.code()
        }
    }
}

fn carry_out(asked: Asked) -> Result<Outcome, Failure> {
    match asked {
        Asked::Serve(args) => serve::serve(&args),
        Asked::Completions(args) => completions(&args),
        other => tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(ask(other)),
    }
}

async fn ask(asked: Asked) -> Result<Outcome, Failure> {
    match asked {
        Asked::Status(format) => status(format).await,
        Asked::Verify(format) => verify(format).await,
        Asked::Doctor(format) => doctor(format).await,
        Asked::Ps(args) => ps(args).await,
        Asked::History(args) => history(args).await,
        Asked::At(args) => at(args).await,
        Asked::Events(args) => events(args).await,
        Asked::Stale(args) => stale::run(args).await,
        Asked::Notifications(args) => notifications::run(args).await,
        Asked::Start(targets) => {
            let format = targets.format;
            act(command::Start { containers: targets.containers }, format).await
        }
        Asked::Stop(targets) => {
            let format = targets.format;
            act(command::Stop { containers: targets.containers }, format).await
        }
        Asked::Restart(Targets { containers, format }) => act(command::Restart { containers }, format).await,
        Asked::Settings(args) => settings(args).await,
        Asked::Backup(args) => backup(args).await,
        Asked::Serve(_) | Asked::Completions(_) => Ok(Outcome::Done),
    }
}

async fn status(format: Format) -> Result<Outcome, Failure> {
    let output = Output::new(format.json);
    let mut reached = Reached::on_the_engine(Nature::Reads).await?;
    let status = reached.call(command::GetStatus {}).await?;
    print(&output, &status, |view| render::status(&status, reached.host(), view))?;
    render::age(&status, Timestamp::now()).iter().for_each(|age| tell(age));
    reached.leave().await;
    Ok(Outcome::Done)
}

async fn verify(format: Format) -> Result<Outcome, Failure> {
    let output = Output::new(format.json);
    let mut reached = Reached::on_the_engine(command::Verify::NATURE).await?;
    let verification = reached.call(command::Verify {}).await?;
    print(&output, &verification, |view| render::verification(&verification, view))?;
    if !verification.equal && reached.host() == Host::Nobody {
        tell("no daemon keeps the index now: it is as it was last written (start one with: tinyforge serve)");
    }
    reached.leave().await;
    Ok(Outcome::done_if(verification.equal))
}

async fn doctor(format: Format) -> Result<Outcome, Failure> {
    let output = Output::new(format.json);
    let findings = match asked_of_the_engine(command::Doctor {}).await {
        Err(error) if error.code == ErrorCode::Database || error.code == ErrorCode::Version => {
            vec![unusable(error)]
        }
        answer => answer?,
    };
    print(&output, &findings, |view| render::findings(&findings, view))?;
    Ok(Outcome::done_if(findings.iter().all(|finding| finding.state != PartState::Fail)))
}

/// What no command can be carried out on is the doctor's one finding; the error says what to do.
fn unusable(error: ApiError) -> Finding {
    Finding { part: "database".to_owned(), state: PartState::Fail, text: error.message, cure: None }
}

async fn ps(args: args::Ps) -> Result<Outcome, Failure> {
    let output = Output::new(args.format.json);
    let all = args.all;
    let wanted = command::Ps { all, kind: args.kind, state: args.state, workload: args.workload };
    let list = asked_with_age(wanted).await?;
    print(&output, &list, |view| render::containers(&list, all, view))?;
    Ok(Outcome::Done)
}

async fn history(args: args::History) -> Result<Outcome, Failure> {
    let output = Output::new(args.format.json);
    let entries = asked_with_age(command::History { container: args.container }).await?;
    print(&output, &entries, |view| render::history(&entries, view))?;
    Ok(Outcome::Done)
}

async fn at(args: args::At) -> Result<Outcome, Failure> {
    let output = Output::new(args.format.json);
    let time =
        args.moment(&ZonedDateTime::now()).map_err(|reason| ApiError::new(ErrorCode::Usage, reason))?;
    let index = asked_with_age(command::At { time: Some(time) }).await?;
    let zone = view(&output).zone;
    print(&output, &index, |view| render::index_at(&index, view))?;
    render::gap(&index, &zone).iter().for_each(|gap| tell(gap));
    Ok(Outcome::Done)
}

async fn events(args: args::Events) -> Result<Outcome, Failure> {
    let output = Output::new(args.format.json);
    if args.follow {
        return follow(&output, args.lines.unwrap_or(FOLLOWED)).await;
    }
    let lines = args.lines.unwrap_or(LATEST);
    let mut entries = asked_with_age(command::Events { limit: Some(lines) }).await?;
    // In the order in which things happened: what a pass found out was written later. Gaps count as lines.
    entries.sort_by_key(|line| line.entry.at);
    let surplus = entries.len().saturating_sub(usize::try_from(lines).unwrap_or(usize::MAX));
    entries.drain(..surplus);
    print(&output, &entries, |view| render::events(&entries, view))?;
    Ok(Outcome::Done)
}

async fn act<C>(command: C, format: Format) -> Result<Outcome, Failure>
where
    C: Command<Answer = Vec<tinyforge_core::control::shapes::Acted>>,
{
    let output = Output::new(format.json);
    let acted = asked_of_the_engine(command).await?;
    print(&output, &acted, |_| render::acted(&acted))?;
    acted.iter().filter_map(render::refused).for_each(|refused| tell(&refused));
    Ok(Outcome::done_if(acted.iter().all(|acted| acted.error.is_none())))
}

async fn settings(args: args::Settings) -> Result<Outcome, Failure> {
    let output = Output::new(args.format.json);
    match args.verb {
        None => {
            let list = asked_once(command::GetSettings { key: None }).await?;
            print(&output, &list, |view| render::settings(&list, view))?;
        }
        Some(SettingsVerb::Get { key }) => {
            let list =
                asked_once(command::GetSettings { key: Some(key.clone()) }).await.map_err(wrong_key)?;
            let unknown = || ApiError::new(ErrorCode::Usage, format!("there is no setting called {key}"));
            let setting = list.into_iter().next().ok_or_else(unknown)?;
            print(&output, &setting, |_| crate::text::plain(&setting.value))?;
        }
        Some(SettingsVerb::Set { key, value }) => {
            let setting = asked_once(command::SetSetting { key, value }).await.map_err(wrong_key)?;
            print(&output, &setting, |_| render::setting(&setting))?;
        }
    }
    Ok(Outcome::Done)
}

/// The keys are part of the usage, as flags are: one that there is not is wrong usage.
fn wrong_key(error: ApiError) -> ApiError {
    match error.code {
        ErrorCode::NotFound => ApiError { code: ErrorCode::Usage, ..error },
        _ => error,
    }
}

async fn backup(args: args::Backup) -> Result<Outcome, Failure> {
    let output = Output::new(args.format.json);
    match args.verb {
        BackupVerb::List => {
            let list = asked_once(command::ListBackups {}).await?;
            print(&output, &list, |view| render::backups(&list, view))?;
        }
        BackupVerb::Create => {
            let made = asked_once(command::CreateBackup {}).await?;
            print(&output, &made, |_| format!("copied to {}", crate::text::plain(&made.name)))?;
        }
        BackupVerb::Restore { name } => {
            let restored = app::restore_backup(&reach::home()?, &name).await?;
            print(&output, &restored, |_| format!("{} is in place", crate::text::plain(&restored.name)))?;
        }
    }
    Ok(Outcome::Done)
}

fn completions(args: &Completions) -> Result<Outcome, Failure> {
    // Into memory first: the generator panics where standard output is closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "tinyforge", &mut script);
    Output::new(false).text(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}

pub async fn asked_once<C: Command>(command: C) -> Result<C::Answer, ApiError> {
    answered(Reached::by(C::NATURE).await?, command).await
}

pub async fn asked_of_the_engine<C: Command>(command: C) -> Result<C::Answer, ApiError> {
    answered(Reached::on_the_engine(C::NATURE).await?, command).await
}

async fn answered<C: Command>(mut reached: Reached, command: C) -> Result<C::Answer, ApiError> {
    let answer = reached.call(command).await;
    reached.leave().await;
    answer
}

/// The answer, and on standard error how old it is where the engine does not confirm it.
pub async fn asked_with_age<C: Command>(command: C) -> Result<C::Answer, ApiError> {
    let mut reached = Reached::on_the_engine(C::NATURE).await?;
    let answer = reached.call(command).await?;
    let status = reached.call(command::GetStatus {}).await?;
    render::age(&status, Timestamp::now()).iter().for_each(|age| tell(age));
    render::unreadable(&status).iter().for_each(|lacking| tell(lacking));
    reached.leave().await;
    Ok(answer)
}

pub fn print<T: Serialize>(
    output: &Output,
    answer: &T,
    text: impl FnOnce(&View) -> String,
) -> io::Result<()> {
    if output.json { output.document(answer) } else { output.text(&text(&view(output))) }
}

pub fn view(output: &Output) -> View {
    View { look: output.look, now: Timestamp::now(), zone: jiff::tz::TimeZone::system() }
}
