//! The calculators against qemu-img: `measure`'s answers for raw and qcow2, and the files that `create`
//! and `convert` write for VMDK, VHD and VHDX.
//!
//! Every case is one question put to both, and either they agree (in both numbers, or in that and why
//! it is refused), or it is one of the documented [differences](Outcome::Differs), and then it still
//! differs in that way. No case is skipped: the counts at the end are of all cases, and the test fails
//! without qemu-img.
//!
//! - [`qemu`]: running qemu-img and reading what it says.
//! - [`disk`]: sources whose data lies at known places.
//! - [`measured`]: the cases that ask `qemu-img measure`.
//! - [`written`]: the cases that look at a file's length.

mod disk;
mod measured;
mod qemu;
mod written;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

/// What a case has shown, with the kind it is counted under.
pub(crate) enum Outcome {
    /// qemu-img and the calculator say the same.
    Agrees(&'static str),
    /// They differ as documented.
    Differs(&'static str),
}

/// The working of a case, in a folder for its own use that is emptied afterwards; or what is wrong.
type Working<'a> = Box<dyn FnOnce(&Path) -> Result<Outcome, String> + Send + 'a>;

/// One question put to qemu-img and to a calculator.
pub(crate) struct Case<'a> {
    name: String,
    run: Working<'a>,
}

impl<'a> Case<'a> {
    /// A case; `name` is how a failure is told.
    pub(crate) fn new(
        name: String,
        run: impl FnOnce(&Path) -> Result<Outcome, String> + Send + 'a,
    ) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }
}

/// What all cases have shown.
#[derive(Default)]
struct Results {
    agreed: BTreeMap<&'static str, usize>,
    differed: BTreeMap<&'static str, usize>,
    failed: Vec<String>,
}

/// Runs all cases, two at a time.
fn run_all(cases: Vec<Case<'_>>) -> Results {
    let queue = Mutex::new(cases.into_iter());
    let results = Mutex::new(Results::default());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().next() else {
                        break;
                    };
                    let folder = tempfile::tempdir().unwrap();
                    let outcome = (case.run)(folder.path());
                    let mut results = results.lock().unwrap();
                    match outcome {
                        Ok(Outcome::Agrees(kind)) => *results.agreed.entry(kind).or_default() += 1,
                        Ok(Outcome::Differs(kind)) => {
                            *results.differed.entry(kind).or_default() += 1;
                        }
                        Err(why) => results.failed.push(format!("{}: {why}", case.name)),
                    }
                }
            });
        }
    });
    results.into_inner().unwrap()
}

/// Says it even when the test passes: the harness only holds back what `println!` writes.
fn say(text: &str) {
    writeln!(std::io::stdout().lock(), "{text}").unwrap();
}

#[test]
fn qemu_img_and_the_calculators_agree() {
    let started = Instant::now();
    let version = qemu::version();
    let sources = tempfile::tempdir().unwrap();
    let sources = measured::Sources::make(sources.path());

    let mut cases = measured::luks();
    cases.extend(measured::raw());
    cases.extend(measured::qcow2());
    cases.extend(measured::from_files(&sources));
    cases.extend(measured::differences(&sources));
    cases.extend(written::created());
    cases.extend(written::converted());
    cases.extend(written::differences());
    let asked = cases.len();
    let results = run_all(cases);

    let agreed: usize = results.agreed.values().sum();
    let differed: usize = results.differed.values().sum();
    say(&format!(
        "{version}: {agreed} cases agree, {differed} differ as documented, {} fail, in {} s",
        results.failed.len(),
        started.elapsed().as_secs()
    ));
    for (kind, count) in &results.agreed {
        say(&format!("  {count:5} {kind}"));
    }
    for (kind, count) in &results.differed {
        say(&format!("  {count:5} differ: {kind}"));
    }
    assert!(
        results.failed.is_empty(),
        "{} of {asked} cases fail, the first of them:\n{}",
        results.failed.len(),
        results.failed[..results.failed.len().min(20)].join("\n")
    );
    assert_eq!(agreed + differed, asked, "a case was lost");
    assert!(agreed >= 2000, "only {agreed} cases compared");
    let expected: BTreeMap<_, _> = [measured::DIFFERENCES, written::DIFFERENCES]
        .concat()
        .into_iter()
        .collect();
    assert_eq!(results.differed, expected);
}
