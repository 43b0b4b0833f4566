//! How far a long list of work is: a bar with the time left on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is printed where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(30);

/// Counts what is done; threads share it.
#[derive(Debug)]
pub(super) struct Counter {
    what: String,
    all: usize,
    started: Instant,
    bar: Option<ProgressBar>,
    /// How many are done, and when that was last printed.
    done: Mutex<(usize, Instant)>,
}

impl Counter {
    /// A counter of `all` things that `what` is done with.
    pub(super) fn new(what: &str, all: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(all as u64);
            let style = "{prefix} [{bar:20}] {pos} of {len}, {eta} left";
            bar.set_style(
                ProgressStyle::with_template(style)
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_prefix(what.to_owned());
            bar
        });
        Self {
            what: what.to_owned(),
            all,
            started: Instant::now(),
            bar,
            done: Mutex::new((0, Instant::now())),
        }
    }

    /// Says that one more is done.
    pub(super) fn one_more(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
            return;
        }
        let mut done = self
            .done
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        done.0 += 1;
        if done.1.elapsed() >= PLAIN_INTERVAL {
            done.1 = Instant::now();
            let left = time_left(self.started.elapsed(), done.0, self.all);
            let (what, all) = (&self.what, self.all);
            eprintln!(
                "{what}: {} of {all}, about {} s left",
                done.0,
                left.as_secs()
            );
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The time that what is left takes, when `done` of `all` took so long.
fn time_left(elapsed: Duration, done: usize, all: usize) -> Duration {
    let left = u32::try_from(all.saturating_sub(done)).unwrap_or(u32::MAX);
    elapsed.saturating_mul(left) / u32::try_from(done.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_in_proportion() {
        let left = |done| time_left(Duration::from_secs(10), done, 100).as_secs();
        assert_eq!((left(10), left(50), left(100)), (90, 10, 0));
    }
}
