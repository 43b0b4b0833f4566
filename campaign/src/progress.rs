//! Progress of long work: one line that moves on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

mod counted;

pub use counted::CountedLine;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use report::format::grouped;

use crate::engine::{Engine, Status};

/// How often a session says where it is when there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(60);
/// How soon several lines are printed for the first time when there is no terminal.
const FIRST_PLAIN: Duration = Duration::from_secs(10);
/// Executions that were told longer ago are shown with their time.
const A_WHILE: Duration = Duration::from_secs(5);

/// Where progress goes: standard error.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: Option<MultiProgress>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Moving lines on a terminal, plain ones elsewhere.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bars: std::io::stderr().is_terminal().then(MultiProgress::new),
        }
    }

    /// Says something that stays.
    pub fn say(&self, text: &str) {
        match &self.bars {
            Some(bars) => {
                // A line that cannot be printed is not worth failing for.
                let _ = bars.println(text);
            }
            None => eprintln!("{text}"),
        }
    }

    /// Does `work`, which takes a while, under a line that says so.
    pub fn step<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let result = work();
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        self.say(&format!("{what}: {:.1} s", started.elapsed().as_secs_f64()));
        result
    }

    /// A line for an engine on a target.
    #[must_use]
    pub fn session(&self, engine: Engine, target: &str, time: Duration) -> SessionLine {
        let name = format!("{:<9} {target}", engine.title());
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(time.as_secs()));
            bar.set_style(
                ProgressStyle::with_template("{prefix} [{bar:20}] {pos}/{len} s  {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_prefix(name.clone());
            bar
        });
        SessionLine {
            name,
            time,
            bar,
            last: Instant::now(),
            told: Told::default(),
        }
    }
}

impl Progress {
    /// Several lines that are rewritten together.
    #[must_use]
    pub fn board(&self) -> Board {
        Board {
            bars: self.bars.clone(),
            lines: Vec::new(),
            last: None,
        }
    }
}

/// Several lines that are rewritten together.
#[derive(Debug)]
pub struct Board {
    bars: Option<MultiProgress>,
    lines: Vec<ProgressBar>,
    last: Option<Instant>,
}

impl Board {
    /// Shows `lines` on a terminal; elsewhere prints `plain` now and then.
    pub fn show(&mut self, lines: &[String], plain: impl FnOnce() -> String) {
        let Some(bars) = &self.bars else {
            // The first after a while, so that a log soon says that it runs.
            let since = self.last.get_or_insert_with(|| {
                Instant::now()
                    .checked_sub(PLAIN_INTERVAL.saturating_sub(FIRST_PLAIN))
                    .unwrap_or_else(Instant::now)
            });
            if since.elapsed() >= PLAIN_INTERVAL {
                *since = Instant::now();
                eprintln!("{}", plain());
            }
            return;
        };
        while self.lines.len() < lines.len() {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            self.lines.push(bar);
        }
        for (place, bar) in self.lines.iter().enumerate() {
            bar.set_message(lines.get(place).cloned().unwrap_or_default());
            bar.tick();
        }
    }

    /// Takes the lines away.
    pub fn done(self) {
        for bar in self.lines {
            bar.finish_and_clear();
        }
    }
}

/// The line of one session.
#[derive(Debug)]
pub struct SessionLine {
    name: String,
    time: Duration,
    bar: Option<ProgressBar>,
    last: Instant,
    told: Told,
}

impl SessionLine {
    /// Shows where the session is.
    pub fn show(&mut self, elapsed: Duration, status: Status, finds: usize) {
        self.told.take(status.executions, elapsed);
        let executions = self.told.in_words(elapsed);
        let text = format!("{executions}, corpus {}, finds {finds}", status.corpus);
        match &self.bar {
            Some(bar) => {
                bar.set_position(elapsed.as_secs().min(self.time.as_secs()));
                bar.set_message(text);
            }
            None if self.last.elapsed() >= PLAIN_INTERVAL => {
                self.last = Instant::now();
                eprintln!(
                    "{}: {} of {} s, {text}",
                    self.name,
                    elapsed.as_secs(),
                    self.time.as_secs()
                );
            }
            None => {}
        }
    }

    /// Takes the line away.
    pub fn done(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The executions that an engine told last, and when. honggfuzz tells them with each input that it keeps, libFuzzer
/// also when they have doubled: until then they are what they were, and so is their rate.
#[derive(Debug, Default)]
struct Told {
    executions: u64,
    at: Duration,
}

impl Told {
    fn take(&mut self, executions: u64, elapsed: Duration) {
        if executions != self.executions {
            *self = Self {
                executions,
                at: elapsed,
            };
        }
    }

    /// How many, how many a second until then, and when that was if it is a while ago.
    fn in_words(&self, elapsed: Duration) -> String {
        let rate = u128::from(self.executions) * 1000 / self.at.as_millis().max(1);
        let rate = grouped(u64::try_from(rate).unwrap_or(u64::MAX));
        let executions = grouped(self.executions);
        if elapsed.saturating_sub(self.at) < A_WHILE {
            format!("{executions} executions, {rate}/s")
        } else if self.executions == 0 {
            "no executions told yet".to_owned()
        } else {
            let seconds = self.at.as_secs();
            format!("{executions} executions in the first {seconds} s, {rate}/s")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_when_executions_were_told() {
        let seconds = Duration::from_secs;
        let mut told = Told::default();
        assert_eq!(told.in_words(seconds(1)), "0 executions, 0/s");
        assert_eq!(told.in_words(seconds(60)), "no executions told yet");
        told.take(500, seconds(100));
        assert_eq!(told.in_words(seconds(100)), "500 executions, 5/s");
        // Nothing new is told.
        told.take(500, seconds(104));
        assert_eq!(told.in_words(seconds(104)), "500 executions, 5/s");
        told.take(500, seconds(900));
        assert_eq!(
            told.in_words(seconds(900)),
            "500 executions in the first 100 s, 5/s"
        );
        told.take(900, seconds(900));
        assert_eq!(told.in_words(seconds(901)), "900 executions, 1/s");
    }
}
