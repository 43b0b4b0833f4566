//! A line for work of which it is known how much there is: how far it is, how fast, and how long it will take.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use report::format::grouped;

use super::Progress;

/// How often a line is printed when there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
/// The clock is looked at once in so many steps.
const STEPS_A_LOOK: u64 = 256;

impl Progress {
    /// A line for `total` steps of `what`, which are called `steps`.
    #[must_use]
    pub fn counted(&self, what: &str, steps: &str, total: u64) -> CountedLine {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(total));
            bar.set_style(
                ProgressStyle::with_template(&format!(
                    "{{prefix}} [{{bar:20}}] {{human_pos}}/{{human_len}} {steps}, {{per_sec}}, {{eta}} left"
                ))
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_prefix(what.to_owned());
            bar
        });
        CountedLine {
            what: what.to_owned(),
            steps: steps.to_owned(),
            total,
            done: 0,
            bar,
            started: Instant::now(),
            printed: Instant::now(),
        }
    }
}

/// The line of counted work.
#[derive(Debug)]
pub struct CountedLine {
    what: String,
    steps: String,
    total: u64,
    done: u64,
    bar: Option<ProgressBar>,
    started: Instant,
    printed: Instant,
}

impl CountedLine {
    /// One step is done.
    pub fn step(&mut self) {
        self.done += 1;
        if !self.done.is_multiple_of(STEPS_A_LOOK) {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        } else if self.printed.elapsed() >= PLAIN_INTERVAL {
            self.printed = Instant::now();
            eprintln!("{}", self.text(self.started.elapsed()));
        }
    }

    fn text(&self, elapsed: Duration) -> String {
        let left = elapsed.as_secs_f64() / self.done.max(1) as f64
            * self.total.saturating_sub(self.done) as f64;
        format!(
            "{}: {} of {} {}, about {left:.0} s left",
            self.what,
            grouped(self.done),
            grouped(self.total),
            self.steps
        )
    }

    /// Takes the line away, and says how long it took.
    pub fn done(self, progress: &Progress) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let Self {
            what, steps, done, ..
        } = self;
        progress.say(&format!(
            "{what}: {} {steps}, {seconds:.1} s",
            grouped(done)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_left() {
        let progress = Progress { bars: None };
        let mut line = progress.counted("replay", "inputs", 4000);
        for _ in 0..1000 {
            line.step();
        }
        let text = line.text(Duration::from_secs(10));
        assert_eq!(
            text,
            "replay: 1\u{202f}000 of 4\u{202f}000 inputs, about 30 s left"
        );
        let none = progress.counted("replay", "inputs", 0);
        assert_eq!(
            none.text(Duration::from_secs(1)),
            "replay: 0 of 0 inputs, about 0 s left"
        );
    }
}
