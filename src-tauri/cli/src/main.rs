//! `tinyforge`: the command line, and the daemon without a window.
//!
//! [`args`] is what may be said, [`reach`] finds who answers, [`run`] asks and prints, [`render`] and [`text`] turn
//! answers into text for people, [`serve`] is the daemon. Nothing here decides.

mod args;
mod follow;
mod moment;
mod notifications;
mod output;
mod reach;
mod render;
mod run;
mod serve;
mod stale;
mod text;
mod webhook;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    run::run(args::Arguments::parse())
}
