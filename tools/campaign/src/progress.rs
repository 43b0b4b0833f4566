//! Progress of long work: one line that moves on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use report::format::grouped;

use crate::engine::session::View;

/// How often a session prints a line when there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(60);
/// How often counted work does.
const COUNTED_INTERVAL: Duration = Duration::from_secs(10);
/// How soon several lines are printed for the first time when there is no terminal.
const FIRST_PLAIN: Duration = Duration::from_secs(10);
/// Executions that were reported longer ago are shown with their time.
const A_WHILE: Duration = Duration::from_secs(5);
/// Counted work looks at the clock once in at most this many steps.
const STEPS_A_LOOK: u64 = 256;

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

    /// A line for engines on a target.
    #[must_use]
    pub fn session(&self, title: &str, target: &str, time: Duration) -> SessionLine {
        let name = format!("{title:<9} {target}");
        let template = "{prefix} [{bar:20}] {pos}/{len} s  {msg}";
        let bar = self.bar(template, &name, time.as_secs());
        SessionLine {
            name,
            time,
            bar,
            last: Instant::now(),
            executions: Executions::default(),
        }
    }

    /// A line for `total` steps of `what`; `steps` is the word for them.
    #[must_use]
    pub fn counted(&self, what: &str, steps: &str, total: u64) -> CountedLine {
        let template = format!(
            "{{prefix}} [{{bar:20}}] {{human_pos}}/{{human_len}} {steps}, {{per_sec}}, {{eta}} left"
        );
        CountedLine {
            bar: self.bar(&template, what, total),
            what: what.to_owned(),
            steps: steps.to_owned(),
            total,
            done: 0,
            started: Instant::now(),
            printed: Instant::now(),
        }
    }

    /// A bar, when there is a terminal.
    fn bar(&self, template: &str, name: &str, length: u64) -> Option<ProgressBar> {
        let bar = self.bars.as_ref()?.add(ProgressBar::new(length));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        Some(bar)
    }

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
    /// Shows `lines` on a terminal; elsewhere prints them now and then.
    pub fn show(&mut self, lines: &[String]) {
        let Some(bars) = &self.bars else {
            // The first one soon, so that a log shows that it runs.
            let since = self.last.get_or_insert_with(|| {
                Instant::now()
                    .checked_sub(PLAIN_INTERVAL.saturating_sub(FIRST_PLAIN))
                    .unwrap_or_else(Instant::now)
            });
            if since.elapsed() >= PLAIN_INTERVAL {
                *since = Instant::now();
                eprintln!("{}", lines.join("\n"));
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
    executions: Executions,
}

impl SessionLine {
    /// Shows where the session is.
    pub fn show(&mut self, view: &View<'_>) {
        let (elapsed, kept, finds) = (view.elapsed, view.pool.kept().len(), view.find_count());
        self.executions.update(view.executions(), elapsed);
        let executions = self.executions.in_words(elapsed);
        let text = format!("{executions}, kept {kept}, finds {finds}");
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

/// The executions that an engine reported last, and when. honggfuzz reports them with each input that it keeps,
/// libFuzzer also when they have doubled. Until then they are as they were, and so is their rate.
#[derive(Debug, Default)]
struct Executions {
    count: u64,
    at: Duration,
}

impl Executions {
    fn update(&mut self, count: u64, elapsed: Duration) {
        if count != self.count {
            *self = Self { count, at: elapsed };
        }
    }

    /// How many, how many a second until then, and when that was if it is a while ago.
    fn in_words(&self, elapsed: Duration) -> String {
        let rate = u128::from(self.count) * 1000 / self.at.as_millis().max(1);
        let rate = grouped(u64::try_from(rate).unwrap_or(u64::MAX));
        let count = grouped(self.count);
        if elapsed.saturating_sub(self.at) < A_WHILE {
            format!("{count} executions, {rate}/s")
        } else if self.count == 0 {
            "no executions reported yet".to_owned()
        } else {
            let seconds = self.at.as_secs();
            format!("{count} executions in the first {seconds} s, {rate}/s")
        }
    }
}

/// The line of work of which the amount is known: how far it is, how fast, and how long it will take.
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
        if !self
            .done
            .is_multiple_of((self.total / 1024).clamp(1, STEPS_A_LOOK))
        {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        } else if self.printed.elapsed() >= COUNTED_INTERVAL {
            self.printed = Instant::now();
            eprintln!("{}", self.text(self.started.elapsed()));
        }
    }

    fn text(&self, elapsed: Duration) -> String {
        let left = self.total.saturating_sub(self.done) as f64;
        let left = elapsed.as_secs_f64() / self.done.max(1) as f64 * left;
        format!(
            "{}: {} of {} {}, about {left:.0} s left",
            self.what,
            grouped(self.done),
            grouped(self.total),
            self.steps
        )
    }

    /// Takes the line away, and prints how long it took.
    pub fn done(self, progress: &Progress) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let (what, steps, done) = (self.what, self.steps, grouped(self.done));
        progress.say(&format!("{what}: {done} {steps}, {seconds:.1} s"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_latest_report() {
        let seconds = Duration::from_secs;
        let mut executions = Executions::default();
        assert_eq!(executions.in_words(seconds(1)), "0 executions, 0/s");
        let words = executions.in_words(seconds(60));
        assert_eq!(words, "no executions reported yet");
        executions.update(500, seconds(100));
        assert_eq!(executions.in_words(seconds(100)), "500 executions, 5/s");
        // Nothing new is reported.
        executions.update(500, seconds(104));
        assert_eq!(executions.in_words(seconds(104)), "500 executions, 5/s");
        executions.update(500, seconds(900));
        assert_eq!(
            executions.in_words(seconds(900)),
            "500 executions in the first 100 s, 5/s"
        );
        executions.update(900, seconds(900));
        assert_eq!(executions.in_words(seconds(901)), "900 executions, 1/s");
    }

    #[test]
    fn a_line_shows_what_is_left() {
        let progress = Progress { bars: None };
        let mut line = progress.counted("replay", "inputs", 4000);
        for _ in 0..1000 {
            line.step();
        }
        assert_eq!(
            line.text(Duration::from_secs(10)),
            "replay: 1\u{202f}000 of 4\u{202f}000 inputs, about 30 s left"
        );
        let none = progress.counted("replay", "inputs", 0);
        assert_eq!(
            none.text(Duration::from_secs(1)),
            "replay: 0 of 0 inputs, about 0 s left"
        );
    }
}
