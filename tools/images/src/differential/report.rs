//! The report of a differential run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::known::Known;

/// What came of a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    /// The first line of `qemu-img --version`.
    pub qemu: String,
    /// What all cases were drawn from.
    pub seed: u64,
    /// How many cases of a kind were to agree.
    pub cases: u64,
    pub interrupted: bool,
    /// What came of each kind of case, format by format.
    pub groups: Vec<Group>,
    /// The known differences that were met.
    pub known_differences: Vec<Known>,
}

/// What came of the cases of one kind for one format.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Group {
    pub format: &'static str,
    pub kind: &'static str,
    /// In how many cases all gave the same numbers.
    pub agree: u64,
    /// In how many all refused.
    pub refused_by_all: u64,
    /// In how many QEMU differed as is known, by the difference's id.
    pub known: BTreeMap<&'static str, u64>,
    /// How many were inconclusive.
    pub inconclusive: u64,
    /// Why the first of these were.
    pub why_inconclusive: Vec<String>,
    /// How many differed as nobody knew.
    pub differ: u64,
    /// These, one of each kind.
    pub found: Vec<Found>,
}

/// A difference that nobody knew.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Found {
    /// What kind of difference.
    pub kind: String,
    /// How many cases differed like this.
    pub times: u64,
    /// The smallest case, in words.
    pub case: String,
    /// All answers.
    pub words: String,
    /// Where it was saved.
    pub path: PathBuf,
}

/// How many reasons of inconclusive cases are kept.
const MOST_REASONS: usize = 5;

impl Group {
    pub(super) fn inconclusive(&mut self, why: String) {
        self.inconclusive += 1;
        if self.why_inconclusive.len() < MOST_REASONS {
            self.why_inconclusive.push(why);
        }
    }

    pub(crate) fn conclusive(&self) -> u64 {
        self.agree + self.refused_by_all + self.differ + self.known.values().sum::<u64>()
    }

    /// Whether more than one case in twenty was inconclusive.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.inconclusive * 20 > self.inconclusive + self.conclusive()
    }
}

impl Report {
    /// Whether anything differs as nobody knew.
    pub(crate) fn differs(&self) -> bool {
        self.groups.iter().any(|group| group.differ != 0)
    }

    /// Why the run does not count; nothing when it does.
    pub(crate) fn shortcomings(&self) -> Vec<String> {
        self.groups
            .iter()
            .filter(|group| group.conclusive() == 0)
            .map(|group| {
                format!(
                    "{}: not one {} case was conclusive",
                    group.format, group.kind
                )
            })
            .collect()
    }

    /// The table, the known differences that were met, and what differs.
    pub(crate) fn in_words(&self) -> String {
        let mut text = format!(
            "{}, seed {}\n\n{:<7} {:<18} {:>7} {:>14} {:>16} {:>13} {:>7}\n",
            self.qemu,
            self.seed,
            "format",
            "cases",
            "agree",
            "refused by all",
            "differ as known",
            "inconclusive",
            "differ"
        );
        let mut met: BTreeMap<&str, u64> = BTreeMap::new();
        for group in &self.groups {
            let of_group: u64 = group.known.values().sum();
            let _ = writeln!(
                text,
                "{:<7} {:<18} {:>7} {:>14} {:>16} {:>13} {:>7}",
                group.format,
                group.kind,
                group.agree,
                group.refused_by_all,
                of_group,
                group.inconclusive,
                group.differ
            );
            for (id, times) in &group.known {
                *met.entry(id).or_default() += times;
            }
        }
        if !met.is_empty() {
            text += "\nKnown differences:\n";
        }
        for known in &self.known_differences {
            let times = met.get(known.id).copied().unwrap_or(0);
            let Known {
                id, right, qemu, ..
            } = known;
            let _ = writeln!(text, "{times:>7}  {id} (right: {right}): QEMU {qemu}");
        }
        for group in &self.groups {
            if group.inconclusive != 0 {
                let _ = writeln!(
                    text,
                    "\n{}, {}: {} inconclusive{}, such as",
                    group.format,
                    group.kind,
                    group.inconclusive,
                    if group.is_doubtful() {
                        " (more than 5 %: the figures are doubtful)"
                    } else {
                        ""
                    }
                );
                for why in &group.why_inconclusive {
                    let _ = writeln!(text, "  {why}");
                }
            }
        }
        for found in self.groups.iter().flat_map(|group| &group.found) {
            let _ = writeln!(
                text,
                "\nDIFFERENT: {} ({} cases)\n  case: {}\n  {}\n  saved: {}",
                found.kind,
                found.times,
                found.case,
                found.words,
                cli::output::from_here(&found.path).display()
            );
        }
        text
    }
}
