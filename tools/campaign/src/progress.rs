//! Progress of long work: text that is rewritten on a terminal, and printed now and then elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use report::format::{grouped, rounded};

use crate::engine::session::View;

/// How often text is printed when there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(60);
/// When it is printed for the first time, so that a log soon shows that the work is under way.
const FIRST_PLAIN: Duration = Duration::from_secs(10);
/// Counted work looks at the clock once in at most this many steps.
const STEPS_A_LOOK: u64 = 256;

/// Where progress goes: standard error.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: Option<MultiProgress>,
}

impl Progress {
    /// Moving lines on a terminal, plain ones elsewhere.
    #[allow(clippy::new_without_default, reason = "it looks at the terminal")]
    pub fn new() -> Self {
        Self {
            bars: std::io::stderr().is_terminal().then(MultiProgress::new),
        }
    }

    /// Prints something that stays.
    pub fn say(&self, text: &str) {
        match &self.bars {
            Some(bars) => {
                // A line that cannot be printed is not worth failing for.
                let _ = bars.println(text);
            }
            None => eprintln!("{text}"),
        }
    }

    /// Does `work`, which takes a while, under a line that names it.
    pub fn step<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let mut text = self.text();
        text.show(what.to_owned());
        let result = work();
        drop(text);
        self.say(&format!("{what}: {:.1} s", started.elapsed().as_secs_f64()));
        result
    }

    pub(crate) fn text(&self) -> Text {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        Text {
            bar,
            next: Instant::now() + FIRST_PLAIN,
        }
    }

    /// A line for engines on a target.
    pub fn session(&self, title: &str, target: &str, time: Duration) -> SessionLine {
        SessionLine {
            name: format!("{title:<9} {target}"),
            time,
            text: self.text(),
        }
    }

    /// A line for `total` steps of `what`; `steps` is the word for them.
    pub(crate) fn counted(&self, what: &str, steps: &str, total: u64) -> CountedLine {
        CountedLine {
            what: what.to_owned(),
            steps: steps.to_owned(),
            total,
            done: AtomicU64::new(0),
            text: Mutex::new(self.text()),
            started: Instant::now(),
        }
    }
}

/// Text that changes, of one line or several.
#[derive(Debug)]
pub struct Text {
    bar: Option<ProgressBar>,
    next: Instant,
}

impl Text {
    /// Shows the text on a terminal; elsewhere prints it now and then.
    pub(crate) fn show(&mut self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
            bar.tick();
        } else if Instant::now() >= self.next {
            self.next = Instant::now() + PLAIN_INTERVAL;
            eprintln!("{text}");
        }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The line of one session.
#[derive(Debug)]
pub struct SessionLine {
    name: String,
    time: Duration,
    text: Text,
}

impl SessionLine {
    /// Shows where the session is.
    pub fn show(&mut self, view: &View<'_>) {
        let executions = view.engines.iter().map(|one| one.executions).sum();
        let rate = view
            .engines
            .iter()
            .map(|one| one.executions_per_second)
            .sum();
        let finds: usize = view.engines.iter().map(|one| one.finds).sum();
        self.text.show(format!(
            "{}: {} of {} s, {} executions, {}/s, kept {}, finds {finds}",
            self.name,
            view.elapsed.as_secs(),
            self.time.as_secs(),
            grouped(executions),
            rounded(rate),
            view.pool.kept().len(),
        ));
    }
}

/// The line of work of which the amount is known: how far it is, and how long it will take.
#[derive(Debug)]
pub struct CountedLine {
    what: String,
    steps: String,
    total: u64,
    done: AtomicU64,
    text: Mutex<Text>,
    started: Instant,
}

impl CountedLine {
    pub(crate) fn step(&self) {
        let done = self.done.fetch_add(1, Relaxed) + 1;
        let look = (self.total / 1024).clamp(1, STEPS_A_LOOK);
        if done.is_multiple_of(look) {
            let line = self.line(self.started.elapsed());
            let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
            text.show(line);
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let done = self.done.load(Relaxed);
        let left = self.total.saturating_sub(done) as f64;
        let left = elapsed.as_secs_f64() / done.max(1) as f64 * left;
        format!(
            "{}: {} of {} {}, about {left:.0} s left",
            self.what,
            grouped(done),
            grouped(self.total),
            self.steps
        )
    }

    /// Takes the line away, and prints how long it took.
    pub(crate) fn done(self, progress: &Progress) {
        drop(self.text);
        let seconds = self.started.elapsed().as_secs_f64();
        let (what, steps, done) = (self.what, self.steps, grouped(self.done.into_inner()));
        progress.say(&format!("{what}: {done} {steps}, {seconds:.1} s"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_what_is_left() {
        let progress = Progress { bars: None };
        let line = progress.counted("replay", "inputs", 4000);
        for _ in 0..1000 {
            line.step();
        }
        assert_eq!(
            line.line(Duration::from_secs(10)),
            "replay: 1\u{202f}000 of 4\u{202f}000 inputs, about 30 s left"
        );
        let none = progress.counted("replay", "inputs", 0);
        assert_eq!(
            none.line(Duration::from_secs(1)),
            "replay: 0 of 0 inputs, about 0 s left"
        );
    }
}
