//! Known findings: what a project has accepted for now, with a reason.
//!
//! A list in TOML names the groups. The process continues past them, so that an engine finds more than the first
//! mistake; a replay reports each as [`Verdict::Known`](crate::Verdict::Known).
//!
//! ```toml
//! [[known]]
//! check = "scan.answer_is_exact"
//! part = "qcow2 scanner"
//! difference = "allocated_bytes is wrong"   # of a panic the place, as "src/meta.rs:12"
//! reason = "counts compressed clusters twice"
//! link = "https://example.org/issues/7"     # may be left out
//! ```

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::{Once, OnceLock};

use serde::{Deserialize, Serialize};

use crate::violation::{Crash, NO_PANIC, Violation};

/// The environment variable that sets the list of known findings aside.
pub const IGNORE_VARIABLE: &str = "MEASURE_FUZZ_IGNORE_KNOWN";

/// A known finding: every violation that these fields describe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The check's id.
    pub check: String,
    /// The part held responsible, as `qcow2 scanner`; any when it is left out.
    pub part: Option<String>,
    /// How the answer deviates, in words, where the check judges an answer. Of a panic the end of its place, as
    /// `src/meta.rs:12`.
    pub difference: Option<String>,
    /// Why it is accepted.
    pub reason: String,
    /// Where more is written about it.
    pub link: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    known: Vec<Known>,
}

/// The first known finding that was met, by its place in the list, and the places of others.
type Met = (usize, Box<Violation>, Vec<usize>);

static LIST: OnceLock<Vec<Known>> = OnceLock::new();

thread_local! {
    static MET: RefCell<Option<Met>> = const { RefCell::new(None) };
    /// Whether the panic that is under way is known.
    static PANIC_IS_KNOWN: Cell<bool> = const { Cell::new(false) };
}

/// The known findings of this process.
pub fn list() -> &'static [Known] {
    LIST.get().map_or(&[], Vec::as_slice)
}

/// From now on these findings are known in this process. Only the first list counts.
///
/// # Errors
/// When the text is no such list.
pub fn set(text: &str) -> Result<(), String> {
    let list: List = toml::from_str(text).map_err(|why| format!("known findings: {why}"))?;
    LIST.get_or_init(|| list.known);
    Ok(())
}

impl Known {
    /// Whether `violation` is of this group.
    pub fn describes(&self, violation: &Violation) -> bool {
        let place = match &violation.crash {
            Some(Crash::Panic { place, .. }) => place.as_ref().map(ToString::to_string),
            _ => None,
        };
        let part = violation.part.to_string();
        let is_same = match (&self.difference, place) {
            (Some(known), Some(place)) => place.ends_with(known),
            (known, _) => *known == violation.difference().map(|found| found.to_string()),
        };
        self.check == violation.check
            && self.part.as_ref().is_none_or(|known| *known == part)
            && is_same
    }

    fn is_panic_at(&self, place: &str) -> bool {
        let known = self.difference.as_deref();
        self.check == NO_PANIC && known.is_some_and(|known| place.ends_with(known))
    }
}

/// `scan.answer_is_exact, qcow2 scanner, allocated_bytes is wrong: counts compressed clusters twice`
impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_any = |text: &Option<String>| text.clone().unwrap_or_else(|| "any".to_owned());
        let (part, difference) = (or_any(&self.part), or_any(&self.difference));
        write!(f, "{}, {part}, {difference}: {}", self.check, self.reason)
    }
}

/// Notes a violation that is known; any other is returned.
pub(crate) fn pass_over(violation: Violation) -> Option<Violation> {
    match list().iter().position(|known| known.describes(&violation)) {
        Some(nth) => {
            MET.with_borrow_mut(|met| match met {
                Some((first, _, others)) if *first != nth => others.push(nth),
                Some(_) => {}
                None => *met = Some((nth, violation.into(), Vec::new())),
            });
            None
        }
        None => Some(violation),
    }
}

/// The known findings that this thread met since it was last asked, by their places in [`list`].
pub(crate) fn take_met() -> Option<Met> {
    // Asked for every input, and most subjects have no list.
    if list().is_empty() { None } else { MET.take() }
}

/// Runs a target under an engine, which ends its process when anything panics: a known panic ends the input.
pub fn run(target: impl FnOnce()) {
    static HOOK: Once = Once::new();
    if !list().iter().any(|known| known.check == NO_PANIC) {
        return target();
    }
    HOOK.call_once(|| {
        let engine = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let place = info.location().map(Location::to_string).unwrap_or_default();
            // A location ends with its column.
            let place = place.rsplit_once(':').map_or("", |(place, _)| place);
            let is_known = list().iter().any(|known| known.is_panic_at(place));
            PANIC_IS_KNOWN.set(is_known);
            if !is_known {
                engine(info);
            }
        }));
    });
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(target))
        && !PANIC_IS_KNOWN.take()
    {
        panic::resume_unwind(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layer;
    use crate::answer::Answer;
    use crate::target::Part;
    use crate::violation::Place;

    #[test]
    fn a_group_is_its_check_part_and_difference() {
        set(
            "[[known]]\ncheck = \"a.b\"\npart = \"qcow2 scanner\"\ndifference = \"size is wrong\"\nreason = \"x\"\n\
             [[known]]\ncheck = \"subject.no_panic\"\ndifference = \"src/a.rs:7\"\nreason = \"y\"\n",
        )
        .unwrap();
        let [value, panic] = list() else {
            panic!("two")
        };
        let place = |line| {
            let file = "/registry/a-1.0/src/a.rs".to_owned();
            let place = Some(Place { file, line });
            let message = "m".to_owned();
            Violation::of_crash(Crash::Panic { message, place }, "t", None)
        };
        let size = |bytes: u64| Answer::values([("size", bytes.into())]);
        let found = Violation::new("a.b", Layer::Exact, "", Part::of("qcow2", "scanner"), None);
        let found = found.answered(size(1), size(2));
        assert!(value.describes(&found) && !panic.describes(&found));
        let other = found.clone().by(Part::of("vhd", "scanner"));
        assert!(!value.describes(&other));
        let other = Violation {
            expected: None,
            ..found.clone()
        };
        assert!(!value.describes(&other));
        assert!(panic.describes(&place(7)) && !panic.describes(&place(17)));

        assert_eq!(pass_over(other.clone()), Some(other));
        for known in [&found, &place(7), &found] {
            assert_eq!(pass_over(known.clone()), None);
        }
        assert_eq!(take_met(), Some((0, found.into(), vec![1])));
        assert_eq!(take_met(), None);
        assert!(toml::from_str::<List>("[[known]]\ncheck = \"a.b\"").is_err());
    }
}
