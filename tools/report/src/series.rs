//! Growth as a table for other programs: `series.csv`.

use crate::Comparison;

/// A line for every point of growth of every trial that counts, with a line of names first. Times are
/// milliseconds since the trial's start. From a point to the next, coverage is as at the former.
pub fn csv(comparison: &Comparison) -> String {
    let mut text = String::from("target,engine,trial,time_ms,executions,regions,lines,functions\n");
    for (target, engine) in comparison.engines() {
        for trial in engine.counting() {
            let of = format!("{},{},{}", target.target, engine.engine, trial.trial);
            for point in &trial.growth {
                let reached = [point.regions, point.lines, point.functions];
                let reached = reached.map(|count| count.to_string()).join(",");
                text += &format!("{of},{},{},{reached}\n", point.time_ms, point.executions);
            }
        }
    }
    text
}
