//! Standard output for answers, standard error for messages.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};

use comfy_table::Table;
use serde::Serialize;

use crate::text::{escaped, plain};

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// `None` where there is no terminal: nothing is folded, so that lines stay whole for other programs.
    pub width: Option<u16>,
    pub colour: bool,
}

impl Look {
    #[must_use]
    pub fn of_stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { width: terminal.then(|| Table::new().width()).flatten(), colour: terminal && !unwanted }
    }
}

/// Where answers go. A reader that has seen enough (`| head`) is no error, and nothing is said about it.
#[derive(Debug)]
pub struct Output {
    pub json: bool,
    pub look: Look,
    closed: Cell<bool>,
}

impl Output {
    #[must_use]
    pub fn new(json: bool) -> Self {
        Self { json, look: Look::of_stdout(), closed: Cell::new(false) }
    }

    /// Whether nobody reads any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Text as it is, a newline added where it lacks one.
    pub fn text(&self, text: &str) -> io::Result<()> {
        let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        self.write(|out| write!(out, "{text}{newline}"))
    }

    /// One document, readable.
    pub fn document(&self, value: &impl Serialize) -> io::Result<()> {
        let text = escaped(&serde_json::to_string_pretty(value)?);
        self.write(|out| writeln!(out, "{text}"))
    }

    /// One document on one line.
    pub fn line(&self, value: &impl Serialize) -> io::Result<()> {
        let text = escaped(&serde_json::to_string(value)?);
        self.write(|out| writeln!(out, "{text}"))
    }

    fn write(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        if self.closed.get() {
            return Ok(());
        }
        let mut out = io::BufWriter::new(io::stdout().lock());
        match write(&mut out).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.set(true);
                // What is left in the buffer has no reader; writing it once more would only fail again.
                let _ = out.into_parts();
                Ok(())
            }
            other => other,
        }
    }
}

/// A message to the user. A standard error that is closed hears nothing.
pub fn tell(message: &str) {
    let _ = writeln!(io::stderr().lock(), "tinyforge: {}", plain(message));
}
