//! How engines that run together stand, for people: a terminal's screen, plain lines for a log, and the table at
//! the end.

use super::status::{Regions, State, Status};
use report::format::{grouped, rounded};
use report::markdown::table;

impl Status {
    /// Where it stands as a whole, in two lines.
    #[must_use]
    pub fn headlines(&self) -> [String; 2] {
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
        let whole = format!(
            "{}: {} of {}, {time}; {cores}, {:.0} core-seconds used",
            self.target,
            seconds(self.elapsed_seconds),
            seconds(self.time_seconds as f64),
            self.core_seconds,
        );
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
        let regions = format!(
            "{reached} regions of {total} reached, {beginnings} to begin with{shipped}{waiting}"
        );
        [whole, regions]
    }

    fn find_lines(&self) -> impl Iterator<Item = String> {
        self.finds.iter().map(|find| {
            let from = find.engines.join(", ");
            format!("FIND {}: {} inputs, from {from}", find.check, find.inputs)
        })
    }

    /// The engines as a Markdown table: as much of it as fits a terminal, or `whole`.
    #[must_use]
    pub fn table(&self, whole: bool) -> String {
        // The last four are of interest at the end.
        let columns = if whole { 12 } else { 8 };
        let mut rows = vec![
            [
                "engine",
                "executions",
                "/s",
                "kept",
                "regions",
                "only here",
                "last new",
                "finds",
                "cores",
                "core s",
                "gave",
                "given",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        rows.extend(self.engines.iter().map(|engine| {
            let (figures, last_new) = (&engine.figures, engine.last_new_seconds.map(seconds));
            vec![
                figures.engine.title().to_owned(),
                grouped(figures.executions),
                rounded(figures.executions_per_second),
                figures.kept.to_string(),
                engine.regions.to_string(),
                engine.regions_only_here.to_string(),
                last_new.unwrap_or_else(|| "–".to_owned()),
                figures.finds.to_string(),
                figures.workers.to_string(),
                format!("{:.0}", figures.core_seconds),
                figures.gave.to_string(),
                figures.given.to_string(),
            ]
        }));
        rows.iter_mut().for_each(|row| row.truncate(columns));
        table(&rows, 1)
    }

    /// All of it, a line each: a terminal's screen, or some lines of a log.
    #[must_use]
    pub fn screen(&self) -> Vec<String> {
        let mut lines = self.headlines().to_vec();
        lines.extend(self.table(false).lines().map(str::to_owned));
        lines.extend(self.find_lines());
        lines
    }
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
    use super::super::status::sample;
    use super::*;

    #[test]
    fn a_screen_shows_what_is_going_on() {
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
        assert!(screen[4].starts_with("| AFL++"), "{}", screen[4]);
        assert_eq!(screen[5], "FIND a.check: 3 inputs, from afl, honggfuzz");
        assert!(screen.iter().all(|line| line.chars().count() <= 110));
        let bars = |table: String| table.lines().next().unwrap().matches('|').count();
        assert_eq!(bars(sample().table(true)), 13);
        assert_eq!(bars(sample().table(false)), 9);
    }

    #[test]
    fn times_are_readable() {
        let shown = [5.4, 119.0, 150.0, 90_061.0].map(seconds);
        assert_eq!(shown, ["5 s", "119 s", "2 min", "25 h 1 min"]);
    }
}
