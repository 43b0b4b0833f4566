//! The judge of the model: random cases, or a corpus, put to the reference model, to the code under test, and to
//! QEMU's own tools.
//!
//! - [`question`]: a question to a calculator; [`draw`]: how one is drawn; `calculators`: its answers.
//! - [`recipes`]: how an image's recipe is drawn; `images`: what all answer about the image.
//! - [`qemu`]: running QEMU's tools; [`verdict`]: what comes of a case.
//! - `evidence`: what shows a known difference; [`known`]: all of them.
//! - `report`: what is printed.
//!
//! What is peculiar to a format is in its file in `formats`.

mod calculators;
pub mod draw;
pub(crate) mod evidence;
mod images;
pub mod known;
pub mod qemu;
pub mod question;
pub mod recipes;
mod report;
pub mod verdict;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use cli::{content_name, interrupt};
use harness_core::{Target, targets};
use indicatif::ProgressBar;

use crate::calc_input::{self, CalcInput};
use crate::format::FormatRef;
use crate::formats;
use crate::inputs::{Input, RECIPES};

use qemu::Qemu;
use question::Question;
use report::{Found, Group, Report};
use verdict::Verdict;

/// What kind of case it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Calculator,
    Undamaged,
    Damaged,
}

/// A case.
#[derive(Debug, Clone)]
pub enum Case {
    /// A question to a calculator.
    Question(Question),
    /// An input with an image, and its target.
    Image(&'static Target, Vec<u8>),
}

/// What to judge, and how.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// So many cases of each kind for each format must be conclusive.
    pub(crate) cases: u64,
    /// What all cases are drawn from.
    pub(crate) seed: u64,
    pub(crate) formats: Vec<FormatRef>,
    /// How many cases run at once.
    pub(crate) cores: usize,
    pub(crate) qemu: Qemu,
    /// The inputs to judge, instead of cases drawn at random; those without an image are left out.
    pub(crate) corpus: Vec<Input>,
    /// Where differences are saved: a folder with one for each target.
    pub(crate) out: PathBuf,
    /// Whether differences stay as they were found, and are not made small.
    pub(crate) as_found: bool,
}

/// How many differences of a group are minimised; the others stay as they were found.
const MOST_MINIMIZED: usize = 8;

/// How many smaller cases are tried at most for one difference; each runs QEMU's tools.
const MOST_TRIED: usize = 1000;

/// How many times as many cases are drawn at most as must agree.
const MOST_DRAWN: u64 = 4;

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Calculator, Self::Undamaged, Self::Damaged];

    /// The kind in words, of many cases.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Calculator => "calculator",
            Self::Undamaged => "undamaged",
            Self::Damaged => "damaged",
        }
    }
}

impl Case {
    /// The `nth` case of a kind, of those that a seed stands for; `None` when the format has none of the
    /// kind.
    pub(crate) fn draw(format: FormatRef, kind: Kind, seed: u64, nth: u64) -> Option<Self> {
        let place = formats::ALL.into_iter().position(|other| other == format)?;
        let mut random = draw::of_case(seed, place as u64 * 8 + kind as u64, nth);
        Some(match kind {
            Kind::Calculator => Self::Question(format.driver.draw(&mut random)),
            Kind::Undamaged => Self::recipe(&recipes::undamaged(format.scanned?, &mut random)),
            Kind::Damaged => Self::recipe(&recipes::damaged(format.scanned?, &mut random)),
        })
    }

    /// The image of a recipe.
    pub fn recipe(bytes: &[u8]) -> Self {
        let target = targets::find(RECIPES).expect("the target is there");
        Self::Image(target, bytes.to_vec())
    }

    /// What comes of it. Files are made in the system's folder for temporary ones, and removed.
    pub fn judge(&self, qemu: &Qemu) -> Verdict {
        let folder = match tempfile::tempdir() {
            Ok(folder) => folder,
            Err(error) => return Verdict::Inconclusive(format!("no temporary folder: {error}")),
        };
        let verdict = match self {
            Self::Question(question) => calculators::judge(question, qemu, folder.path()),
            Self::Image(target, bytes) => images::judge(target, bytes, qemu, folder.path()),
        };
        verdict.unwrap_or_else(|early| early)
    }

    /// The cases that are one step smaller.
    fn simpler(&self) -> Vec<Self> {
        match self {
            Self::Question(question) => {
                let simpler = question.simpler(calc_input::simpler(&question.options));
                simpler.into_iter().map(Self::Question).collect()
            }
            Self::Image(target, bytes) if target.name == RECIPES => {
                let simpler = recipes::simpler(bytes).into_iter();
                simpler.map(|bytes| Self::recipe(&bytes)).collect()
            }
            Self::Image(..) => Vec::new(),
        }
    }

    /// The smallest case found that comes to the same: a difference of that signature.
    fn minimized(mut self, signature: &str, qemu: &Qemu) -> Self {
        let mut left = MOST_TRIED;
        loop {
            let mut is_smaller = false;
            let mut at = 0;
            // After a step the list continues where it was: what failed before it mostly fails again.
            while let Some(other) = self.simpler().into_iter().nth(at) {
                if left == 0 || interrupt::interrupted() {
                    return self;
                }
                left -= 1;
                if other.judge(qemu).is_difference(signature) {
                    self = other;
                    is_smaller = true;
                } else {
                    at += 1;
                }
            }
            if !is_smaller {
                return self;
            }
        }
    }

    /// The target that takes the case as an input, and the input.
    fn input(&self) -> (&'static str, Vec<u8>) {
        match self {
            Self::Question(question) => {
                let input = CalcInput::new(&question.options, &question.summary());
                ("fuzz_measure_calc", input.bytes())
            }
            Self::Image(target, bytes) if target.name == RECIPES => {
                let end = bytes.iter().rposition(|&byte| byte != 0);
                let input = &bytes[..end.map_or(0, |end| end + 1)];
                (target.name, input.to_vec())
            }
            Self::Image(target, bytes) => (target.name, bytes.clone()),
        }
    }

    /// The case in words.
    pub fn in_words(&self) -> String {
        match self {
            Self::Question(question) => question.in_words(),
            Self::Image(target, bytes) => {
                let described = target.describe(bytes);
                described.map_or_else(str::to_owned, |described| described.case.words)
            }
        }
    }
}

/// Judges everything that the plan names. Fails when QEMU's tools are not there, or a difference cannot be saved.
pub(crate) fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report {
        qemu: plan.qemu.version()?,
        seed: plan.seed,
        cases: plan.cases,
        interrupted: false,
        groups: Vec::new(),
        known_differences: Vec::new(),
    };
    // A panic of the code under test is an answer like another: the report has it.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = (|| {
        if !plan.corpus.is_empty() {
            return run_corpus(plan, &mut report.groups);
        }
        for &format in &plan.formats {
            for kind in Kind::ALL {
                if interrupt::interrupted() || Case::draw(format, kind, 0, 0).is_none() {
                    continue;
                }
                let what = format!("{format}: {} {} cases", plan.cases, kind.name());
                // Most damaged images are refused: no number of them has to agree.
                let enough = match kind {
                    Kind::Damaged => Group::conclusive,
                    Kind::Calculator | Kind::Undamaged => |group: &Group| group.agree,
                };
                let case = |nth| Case::draw(format, kind, plan.seed, nth);
                let more = |group: &Group, drawn| {
                    let more = plan.cases.saturating_sub(enough(group));
                    more.min(MOST_DRAWN * plan.cases - drawn)
                };
                let run = || run_group(plan, (format, kind.name()), &case, &more);
                let group = step(&what, run)?;
                report.groups.push(group);
            }
        }
        anyhow::Ok(())
    })();
    std::panic::set_hook(hook);
    report.interrupted = interrupt::interrupted();
    let met = report.groups.iter().map(|group| &group.known);
    report.known_differences = known::all()
        .into_iter()
        .filter(|known| met.clone().any(|met| met.contains_key(known.id)))
        .collect();
    result.map(|()| report)
}

/// Does `work`, which takes a while, under a line that names it.
fn step<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    // Hidden when there is no terminal.
    let line = ProgressBar::new_spinner().with_message(what.to_owned());
    line.enable_steady_tick(Duration::from_millis(100));
    let result = work();
    line.finish_and_clear();
    eprintln!("{what}: {:.1} s", started.elapsed().as_secs_f64());
    result
}

/// Judges the inputs of a corpus, a group for each format and target.
fn run_corpus(plan: &Plan, groups: &mut Vec<Group>) -> Result<()> {
    let mut cases: BTreeMap<(usize, &str), Vec<Case>> = BTreeMap::new();
    for Input { target, bytes, .. } in &plan.corpus {
        let scanned = target.image(bytes).and_then(|(format, _)| format);
        let is_of = |format: &FormatRef| scanned.is_some() && format.scanned == scanned;
        if let Some(place) = plan.formats.iter().position(is_of) {
            let group = cases.entry((place, target.name)).or_default();
            group.push(Case::Image(target, bytes.clone()));
        }
    }
    ensure!(!cases.is_empty(), "no input has an image of these formats");
    for ((place, target), cases) in cases {
        let format = plan.formats[place];
        let what = format!("{format}: {} inputs of {target}", cases.len());
        let case = |nth| cases.get(usize::try_from(nth).ok()?).cloned();
        let more = |_: &Group, judged| cases.len() as u64 - judged;
        let run = || run_group(plan, (format, target), &case, &more);
        groups.push(step(&what, run)?);
    }
    Ok(())
}

/// Judges the cases of one kind for one format. When some are inconclusive, or refused, or differ as is
/// known, more are drawn: what is asked for is cases that agree.
fn run_group(
    plan: &Plan,
    (format, kind): (FormatRef, &'static str),
    case: &(dyn Fn(u64) -> Option<Case> + Sync),
    more: &dyn Fn(&Group, u64) -> u64,
) -> Result<Group> {
    let mut group = Group {
        format: format.name,
        kind,
        ..Group::default()
    };
    let mut different: BTreeMap<String, (u64, Case, String)> = BTreeMap::new();
    let mut first = 0;
    loop {
        let more = more(&group, first);
        if more == 0 || interrupt::interrupted() {
            break;
        }
        for (nth, verdict) in judge_all(plan, case, first, more) {
            match verdict {
                Verdict::Agrees => group.agree += 1,
                Verdict::Refused => group.refused_by_all += 1,
                Verdict::Known(id) => *group.known.entry(id).or_default() += 1,
                Verdict::Inconclusive(why) => group.inconclusive(why),
                Verdict::Differs { signature, words } => {
                    group.differ += 1;
                    let entry = different.entry(signature).or_insert_with(|| {
                        (0, case(nth).expect("the case that was judged"), words)
                    });
                    entry.0 += 1;
                }
            }
        }
        first += more;
    }
    for (nth, (signature, (times, case, words))) in different.into_iter().enumerate() {
        let case = if nth < MOST_MINIMIZED && !plan.as_found {
            case.minimized(&signature, &plan.qemu)
        } else {
            case
        };
        let words = match case.judge(&plan.qemu) {
            Verdict::Differs {
                signature: same,
                words,
            } if same == signature => words,
            // It does not show every time: as it was seen.
            _ => words,
        };
        group.found.push(save(plan, case, signature, words, times)?);
    }
    Ok(group)
}

/// Judges cases, several at once, in their order.
fn judge_all(
    plan: &Plan,
    case: &(dyn Fn(u64) -> Option<Case> + Sync),
    first: u64,
    more: u64,
) -> Vec<(u64, Verdict)> {
    let next = AtomicU64::new(first);
    let work = || {
        let mut judged = Vec::new();
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            if nth >= first + more || interrupt::interrupted() {
                return judged;
            }
            if let Some(case) = case(nth) {
                judged.push((nth, case.judge(&plan.qemu)));
            }
        }
    };
    let mut all: Vec<(u64, Verdict)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.cores.max(1)).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_default())
            .collect()
    });
    all.sort_by_key(|(nth, _)| *nth);
    all
}

/// Saves a difference as an input of a target.
fn save(plan: &Plan, case: Case, kind: String, words: String, times: u64) -> Result<Found> {
    let (target, input) = case.input();
    let folder = plan.out.join(target);
    let path = folder.join(format!("differential-{}", &content_name(&input)[..16]));
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, &input))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(Found {
        kind,
        times,
        case: case.in_words(),
        words,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_cases_and_another_one_others() {
        let drawn = |seed| -> Vec<_> {
            let all = formats::ALL
                .into_iter()
                .flat_map(|format| Kind::ALL.map(|kind| (format, kind)));
            all.flat_map(|(format, kind)| (0..20).map(move |nth| (format, kind, nth)))
                .filter_map(|(format, kind, nth)| Case::draw(format, kind, seed, nth))
                .map(|case| case.input())
                .collect()
        };
        let (one, again, other) = (drawn(1), drawn(1), drawn(2));
        assert_eq!(one, again);
        assert_eq!(one.len(), (5 * 3 - 2) * 20);
        let same = one.iter().zip(&other).filter(|(a, b)| a == b).count();
        assert!(same < 5, "{same} cases of two seeds are the same");
    }
}
