//! Groups of finds, and the report that is made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use worker::{Layer, Violation};

use super::collect::{Find, time_shown};
use super::judge::{Failure, How, Outcome};
use super::key::{Key, What};
use crate::comparison::machine;

/// The version of `triage.json`: it changes when a field changes its meaning or is removed.
pub const VERSION: u32 = 3;

/// The rule under which finds that pass are reported: no check has this id.
pub const UNREPRODUCED: &str = report::UNREPRODUCED;

/// What that rule asserts.
const REPRODUCES: &str = "an input that an engine reports fails when it is replayed";

/// What a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its finds fail.
    Fails,
    /// Its finds pass, and never failed in a triage.
    Unreproduced,
    /// Its finds pass, and failed in an earlier triage.
    Mended,
}

/// A find in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The find.
    #[serde(flatten)]
    pub find: Find,
    /// The check that it fails.
    pub check: String,
    /// What that check asserts.
    pub statement: String,
    /// Whether the target asks the part at fault directly, and not by way of another part's answer.
    pub is_direct: bool,
    /// What it shows: what its group is about, or a consequence of that.
    pub shows: What,
}

/// An engine's part in a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// How many of the group's inputs it found.
    pub inputs: usize,
    /// When it found the first, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_ms: Option<u64>,
}

/// The smallest input of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reproducer {
    /// The file's name, in `regressions/TARGET` of the output.
    pub file: String,
    /// The SHA-256 of its content.
    pub content: String,
    /// Its size in bytes.
    pub size: usize,
    /// Its content in hexadecimal, when that is short enough to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// What it violates; none when it failed once and then no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violation: Option<Violation>,
    /// The find that it was made from, by its content; it is in `originals/TARGET` of the output.
    pub original: String,
    /// That find's size in bytes.
    pub original_size: usize,
    /// How many smaller inputs were tried.
    pub tries: usize,
    /// Whether nothing smaller was left to try; else the budget was used up.
    pub complete: bool,
}

/// Finds that are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The group's name: that of its key.
    pub id: String,
    /// What its finds have in common.
    pub key: Key,
    /// What it is.
    pub status: Status,
    /// The check that its reproducer fails.
    pub check: String,
    /// What that check asserts.
    pub must_hold: String,
    /// The target of its reproducer.
    pub target: String,
    /// The engines that found it.
    pub engines: BTreeMap<String, Seen>,
    /// How many inputs passed at first, and failed when replayed again.
    pub at_times: usize,
    /// How many inputs were not waited for in full, because enough others hang.
    pub not_waited_for: usize,
    /// The smallest input; none when nothing fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reproducer: Option<Reproducer>,
    /// Its inputs, the best one to begin a minimisation from first.
    pub inputs: Vec<Input>,
}

impl Group {
    /// What the group is about, in a line.
    pub fn title(&self) -> String {
        match self.status {
            Status::Mended => format!("{} (mended)", self.key),
            Status::Fails | Status::Unreproduced => self.key.to_string(),
        }
    }

    /// When the first of its inputs was found, as people read it.
    pub(crate) fn first(&self) -> String {
        let times = self.engines.values().filter_map(|seen| seen.first_ms);
        time_shown(times.min())
    }

    /// The group of some inputs, of which there is one at least. The input comes first that is best to begin a
    /// minimisation from: one that shows what the group is about, of the target that asks the part at fault directly,
    /// and then the smallest.
    fn of(status: Status, key: Key, mut inputs: Vec<(Input, Option<How>)>) -> Self {
        let rank = |input: &Input| {
            let (is_other, size) = (input.shows != key.what, input.find.size);
            (is_other, !input.is_direct, size, input.find.name.clone())
        };
        inputs.sort_by_cached_key(|(input, _)| rank(input));
        let count = |how| inputs.iter().filter(|(_, of)| *of == Some(how)).count();
        let mut engines: BTreeMap<String, Seen> = BTreeMap::new();
        for (input, _) in &inputs {
            let mut finders = BTreeSet::new();
            for sighting in &input.find.sightings {
                let seen = engines.entry(sighting.engine.clone()).or_default();
                seen.inputs += usize::from(finders.insert(&sighting.engine));
                seen.first_ms = seen.first_ms.into_iter().chain(sighting.at_ms).min();
            }
        }
        let (first, _) = &inputs[0];
        Self {
            id: key.id(),
            check: first.check.clone(),
            must_hold: first.statement.clone(),
            target: first.find.target.clone(),
            engines,
            at_times: count(How::AtTimes),
            not_waited_for: count(How::NotWaitedFor),
            reproducer: None,
            inputs: inputs.into_iter().map(|(input, _)| input).collect(),
            key,
            status,
        }
    }

    /// Takes over the reproducer of the group that was mended, and its check.
    fn mend(&mut self, last: Option<&Report>) {
        let mut known = last.into_iter().flat_map(Report::known);
        let known = known.find(|known| known.key == self.key && known.reproducer.is_some());
        if let Some(known) = known {
            self.reproducer.clone_from(&known.reproducer);
            self.check.clone_from(&known.check);
            self.target.clone_from(&known.target);
            self.must_hold.clone_from(&known.must_hold);
        }
        self.id += "-mended";
    }
}

/// What a triage was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The project's commit, with `-dirty` when something was changed since; empty without git.
    pub commit: String,
    /// The compiler's version.
    pub rustc: String,
    /// The system.
    pub system: String,
}

impl Environment {
    /// That of the project at `root`, as far as git, the compiler and the system know it.
    pub(super) fn of(root: &Path) -> Self {
        Self {
            commit: machine::commit(root),
            rustc: machine::rustc(&[]),
            system: machine::system(),
        }
    }
}

/// The whole of a triage: what `triage.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// When it was made.
    pub made: String,
    /// What it was made with.
    pub environment: Environment,
    /// The beginning of a command line for this project.
    pub command: String,
    /// What is judged, in words.
    #[serde(default)]
    pub judged: String,
    /// How long an input may take, in seconds.
    pub time_out_seconds: f64,
    /// Whether it was interrupted: then finds are missing, or reproducers are not as small as they could be.
    pub interrupted: bool,
    /// How many different inputs there were.
    pub finds: usize,
    /// How many of them were replayed.
    pub replayed: usize,
    /// What could not be read, and why.
    pub troubles: Vec<String>,
    /// The groups: what fails first, then by key.
    pub groups: Vec<Group>,
    /// Groups of earlier triages, with those of their inputs that exist and were not among this triage's finds.
    pub earlier: Vec<Group>,
}

impl Report {
    /// The groups of a status.
    pub fn of(&self, status: Status) -> impl Iterator<Item = &Group> {
        self.groups
            .iter()
            .filter(move |group| group.status == status)
    }

    /// Everything that is known: the groups, and those of earlier triages.
    pub(crate) fn known(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().chain(&self.earlier)
    }

    /// The report in a folder, if there is one that is understood.
    pub fn read(out: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(out.join("triage.json")).ok()?;
        let report: Self = serde_json::from_str(&text).ok()?;
        (report.version == VERSION).then_some(report)
    }

    pub(crate) fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).context("a file's name is not UTF-8")
    }
}

/// Groups finds by the outcomes of their replays; `last` is the report of the last triage. Also returns why some could
/// not be replayed.
pub(crate) fn group(
    finds: &[Find],
    outcomes: &[(usize, Outcome)],
    last: Option<&Report>,
) -> (Vec<Group>, Vec<String>) {
    let failed_before = failed_before(last);
    let failures = outcomes.iter().filter_map(|(_, outcome)| outcome.failure());
    let shown: BTreeSet<&Key> = failures.map(|failure| &failure.key).collect();
    let mut sorted: BTreeMap<_, Vec<(Input, Option<How>)>> = BTreeMap::new();
    let mut troubles = Vec::new();
    for (index, outcome) in outcomes {
        let find = &finds[*index];
        let (status, shows, check, statement) = match outcome {
            Outcome::Unknown(why) => {
                troubles.push(why.clone());
                continue;
            }
            Outcome::Known => continue,
            Outcome::Fails(failure) => {
                let Failure { key, violation, .. } = failure.as_ref();
                let (check, statement) = (&*violation.check, &*violation.statement);
                (Status::Fails, key.clone(), check, statement)
            }
            Outcome::Passes => match failed_before.get(&(&*find.target, &*find.name)) {
                Some(group) => {
                    let (check, statement) = (&*group.check, &*group.must_hold);
                    (Status::Mended, group.key.clone(), check, statement)
                }
                None => {
                    let key = Key {
                        part: find.target.clone(),
                        what: What::Passes,
                    };
                    (Status::Unreproduced, key, UNREPRODUCED, REPRODUCES)
                }
            },
        };
        let failure = outcome.failure();
        let key = match failure {
            Some(_) => filed_under(&shows, &shown),
            None => shows.clone(),
        };
        let input = Input {
            find: find.clone(),
            check: check.to_owned(),
            statement: statement.to_owned(),
            is_direct: failure.is_none_or(|failure| failure.violation.layer != Layer::Composition),
            shows: shows.what,
        };
        let how = failure.map(|failure| failure.how);
        sorted.entry((status, key)).or_default().push((input, how));
    }
    let sorted = sorted.into_iter();
    let groups = sorted.map(|((status, key), inputs)| Group::of(status, key, inputs));
    let mut groups: Vec<Group> = groups.collect();
    for group in &mut groups {
        if group.status == Status::Mended {
            group.mend(last);
        }
    }
    (groups, troubles)
}

/// The key of the group of a find that shows `shows`, among finds that show `shown`. An error of the wrong kind may
/// be a consequence of a plainer mistake: see [`worker::Difference::explanations`]. Where exactly one such mistake is
/// among `shown`, the find belongs to its group.
fn filed_under(shows: &Key, shown: &BTreeSet<&Key>) -> Key {
    let What::Answers(difference) = &shows.what else {
        return shows.clone();
    };
    let keys = difference.explanations().into_iter().flatten();
    let keys = keys.map(|difference| Key {
        part: shows.part.clone(),
        what: What::Answers(difference),
    });
    let mut explanations = keys.filter(|key| shown.contains(key));
    match (explanations.next(), explanations.next()) {
        (Some(only), None) => only,
        _ => shows.clone(),
    }
}

/// The inputs that failed in the last triage, or before it and were mended, with their groups.
fn failed_before(last: Option<&Report>) -> BTreeMap<(&str, &str), &Group> {
    last.into_iter()
        .flat_map(Report::known)
        .filter(|group| group.status != Status::Unreproduced)
        .flat_map(|group| {
            let inputs = group.inputs.iter();
            inputs.map(move |Input { find, .. }| ((&*find.target, &*find.name), group))
        })
        .collect()
}

/// The groups of earlier triages to remember when `finds` are those of this one: see [`Report::earlier`].
pub(crate) fn earlier(last: Option<&Report>, finds: &[Find]) -> Vec<Group> {
    let now: BTreeSet<(&str, &str)> = finds
        .iter()
        .map(|find| (&*find.target, &*find.name))
        .collect();
    let mut earlier: Vec<Group> = Vec::new();
    for group in last.into_iter().flat_map(Report::known) {
        let mut group = group.clone();
        group.inputs.retain(|Input { find, .. }| {
            !now.contains(&(&*find.target, &*find.name))
                && find.sightings.iter().any(|seen| seen.path.exists())
        });
        if group.inputs.is_empty() || group.status == Status::Unreproduced {
            continue;
        }
        match earlier.iter_mut().find(|known| known.id == group.id) {
            Some(known) => known.inputs.append(&mut group.inputs),
            None => earlier.push(group),
        }
    }
    earlier
}
