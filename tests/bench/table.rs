//! The table: a line for each figure, and for what could not be taken.

use std::fmt;

/// A measured number with its unit, and what it is held against.
pub struct Figure {
    what: &'static str,
    ours: String,
    compared_with: String,
    ratio: Option<f64>,
    goal: &'static str,
    /// `None` where nothing was promised.
    met: Option<bool>,
    /// What was measured beside it and shows why the goal cannot be met here.
    because: Option<String>,
}

impl Figure {
    pub fn new(what: &'static str, ours: impl Into<String>) -> Self {
        let compared_with = "-".to_owned();
        Self { what, ours: ours.into(), compared_with, ratio: None, goal: "-", met: None, because: None }
    }

    pub fn beside(self, compared_with: impl Into<String>) -> Self {
        Self { compared_with: compared_with.into(), ..self }
    }

    pub fn ratio(self, ratio: f64) -> Self {
        Self { ratio: Some(ratio), ..self }
    }

    pub fn goal(self, goal: &'static str, met: bool) -> Self {
        Self { goal, met: Some(met), ..self }
    }

    /// Stands below the table where the goal was not met.
    pub fn unless_met(self, because: Option<String>) -> Self {
        Self { because: because.filter(|_| self.met == Some(false)), ..self }
    }
}

#[derive(Default)]
pub struct Table {
    figures: Vec<Figure>,
    missing: Vec<(&'static str, String)>,
}

impl Table {
    pub fn extend(&mut self, figures: Vec<Figure>) {
        self.figures.extend(figures);
    }

    /// The figures of a group that could not be measured, and why.
    pub fn not_taken(&mut self, group: &'static str, reason: &str) {
        self.figures.push(Figure::new(group, "NOT TAKEN").goal("-", false));
        self.missing.push((group, reason.to_owned()));
    }

    /// Whether every figure could be taken, and each goal was met or a measurement tells why not.
    pub fn is_good(&self) -> bool {
        let open = |figure: &Figure| figure.met == Some(false) && figure.because.is_none();
        self.missing.is_empty() && !self.figures.iter().any(open)
    }
}

const HEAD: [&str; 6] = ["figure", "ours", "compared with", "ratio", "goal", "met"];

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<[String; 6]> =
            std::iter::once(HEAD.map(str::to_owned)).chain(self.figures.iter().map(line)).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
        for line in &lines {
            let cells = line.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        for figure in &self.figures {
            if let Some(because) = &figure.because {
                writeln!(f, "{}: {because}", figure.what)?;
            }
        }
        for (group, reason) in &self.missing {
            writeln!(f, "{group} could not be taken: {reason}")?;
        }
        let judged = || self.figures.iter().filter_map(|figure| figure.met);
        write!(f, "{} of {} met", judged().filter(|met| *met).count(), judged().count())
    }
}

fn line(figure: &Figure) -> [String; 6] {
    let ratio = figure.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
    let met = match figure.met {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "-",
    };
    let Figure { what, ours, compared_with, goal, .. } = figure;
    [(*what).to_owned(), ours.clone(), compared_with.clone(), ratio, (*goal).to_owned(), met.to_owned()]
}
