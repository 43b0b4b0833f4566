//! How an ensemble stands, for people: a terminal's screen, plain lines for a log, and the table at the end.

use report::format::{grouped, rounded};

use super::{Regions, State, Status};

/// The columns of the table: a heading, and how wide it is.
const COLUMNS: [(&str, usize); 12] = [
    ("engine", 9),
    ("cores", 5),
    ("core s", 6),
    ("executions", 13),
    ("/s", 9),
    ("kept", 6),
    ("gave", 6),
    ("given", 6),
    ("regions", 7),
    ("only here", 9),
    ("last new", 8),
    ("finds", 5),
];

impl Status {
    /// Where it stands as a whole, in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        let left = (self.time_seconds as f64 - self.elapsed_seconds).max(0.0);
        let time = match self.state {
            State::Running => format!("{} left", seconds(left)),
            State::Ended => "ended".to_owned(),
            State::Interrupted => "interrupted".to_owned(),
        };
        let cores = match self.cores {
            1 => "1 core".to_owned(),
            cores => format!("{cores} cores"),
        };
        format!(
            "{}: {} of {}, {time}; {cores}, {:.0} core-seconds used",
            self.target,
            seconds(self.elapsed_seconds),
            seconds(self.time_seconds as f64),
            self.core_seconds,
        )
    }

    /// The regions reached by all, in one line.
    #[must_use]
    pub fn regions_line(&self) -> String {
        let Regions {
            beginnings,
            reached,
            shipped,
            total,
        } = self.regions;
        let shipped = shipped.map_or_else(String::new, |shipped| {
            format!(", the shipped corpus reaches {shipped}")
        });
        let waiting = match self.not_measured {
            0 => String::new(),
            waiting => format!("; {} inputs not measured yet", grouped(waiting as u64)),
        };
        format!(
            "{reached} regions of {total} reached, {beginnings} to begin with{shipped}{waiting}"
        )
    }

    /// The finds, a line for each check.
    #[must_use]
    pub fn find_lines(&self) -> Vec<String> {
        let finds = self.finds.iter();
        finds
            .map(|find| {
                let from = find.engines.join(", ");
                format!("FIND {}: {} inputs, from {from}", find.check, find.inputs)
            })
            .collect()
    }

    fn rows(&self) -> Vec<[String; 12]> {
        let rows = self.engines.iter().map(|engine| {
            [
                engine.engine.title().to_owned(),
                engine.workers.to_string(),
                format!("{:.0}", engine.core_seconds),
                grouped(engine.executions),
                rounded(engine.executions_per_second),
                engine.kept.to_string(),
                engine.gave.to_string(),
                engine.given.to_string(),
                engine.regions.to_string(),
                engine.regions_only_here.to_string(),
                engine
                    .last_new_seconds
                    .map_or_else(|| "–".to_owned(), seconds),
                engine.finds.to_string(),
            ]
        });
        rows.collect()
    }

    /// The screen of a terminal, a line each.
    #[must_use]
    pub fn screen(&self) -> Vec<String> {
        let mut lines = vec![self.headline(), self.regions_line()];
        lines.push(aligned(&COLUMNS.map(|(name, _)| name.to_owned())));
        lines.extend(self.rows().iter().map(|row| aligned(row)));
        lines.extend(self.find_lines());
        lines
    }

    /// The table as Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut lines = Vec::new();
        let bars = |cells: &[String]| {
            let cells = cells.iter().zip(COLUMNS).enumerate();
            let cells = cells.map(|(place, (text, (_, width)))| match place {
                0 => format!(" {text:<width$} "),
                _ => format!(" {text:>width$} "),
            });
            format!("|{}|", cells.collect::<Vec<_>>().join("|"))
        };
        lines.push(bars(&COLUMNS.map(|(name, _)| name.to_owned())));
        let rule = COLUMNS
            .iter()
            .enumerate()
            .map(|(place, (_, width))| match place {
                0 => "-".repeat(width + 2),
                _ => format!("{}:", "-".repeat(width + 1)),
            });
        lines.push(format!("|{}|", rule.collect::<Vec<_>>().join("|")));
        lines.extend(self.rows().iter().map(|row| bars(row)));
        lines.join("\n")
    }

    /// How it stands in plain lines, for a log.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut lines = vec![format!("{}; {}", self.headline(), self.regions_line())];
        for engine in &self.engines {
            lines.push(format!(
                "  {:<9} {} executions, {}/s, kept {}, given {}, {} regions, {} only here, finds {}",
                engine.engine.title(),
                grouped(engine.executions),
                rounded(engine.executions_per_second),
                engine.kept,
                engine.given,
                engine.regions,
                engine.regions_only_here,
                engine.finds,
            ));
        }
        lines.extend(self.find_lines());
        lines.join("\n")
    }
}

/// The cells that fit a terminal of 80 columns: all but what is of interest at the end.
fn aligned(cells: &[String]) -> String {
    let cells = cells.iter().zip(COLUMNS).enumerate();
    let cells = cells.filter(|(place, _)| ![2, 6, 7].contains(place));
    let cells = cells.map(|(place, (text, (_, width)))| match place {
        0 => format!("{text:<width$}"),
        _ => format!("{text:>width$}"),
    });
    cells.collect::<Vec<_>>().join(" ")
}

/// A time in its largest two units.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time, rounded to be printed"
)]
fn seconds(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::super::gathering::sample;
    use super::*;

    #[test]
    fn a_screen_says_what_is_going_on() {
        let screen = sample().screen();
        assert_eq!(
            screen[0],
            "fuzz_x: 12 s of 30 s, 18 s left; 2 cores, 12 core-seconds used"
        );
        assert_eq!(
            screen[1],
            "10 regions of 100 reached, 10 to begin with, the shipped corpus reaches 90; \
             3 inputs not measured yet"
        );
        assert!(screen[3].starts_with("AFL++"), "{}", screen[3]);
        assert_eq!(screen[4], "FIND a.check: 1 inputs, from afl");
        let width = screen[2].chars().count();
        assert!(width <= 80 && screen[3].chars().count() == width);
    }

    #[test]
    fn the_table_is_markdown() {
        let table = sample().table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        let bars = |line: &str| line.matches('|').count();
        assert!(lines.iter().all(|line| bars(line) == COLUMNS.len() + 1));
        assert!(
            lines[1].starts_with("|-----------|------:|"),
            "{}",
            lines[1]
        );
    }

    #[test]
    fn times_are_readable() {
        let shown = [5.4, 119.0, 150.0, 90_061.0].map(seconds);
        assert_eq!(shown, ["5 s", "119 s", "2 min", "25 h 1 min"]);
    }
}
