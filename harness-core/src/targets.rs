//! The one list of targets.
//!
//! A target has one name everywhere: here, as the binary of each engine, as the folder of its seeds
//! and its corpus, in reports. A test compares this list with the three engine crates.

use crate::describe::Description;
use crate::outcome::Outcome;
use crate::subject::Subject;
use crate::{calc, image, meaning, scan};

/// Something to fuzz.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name, everywhere.
    pub name: &'static str,
    /// What of the code under test it drives, in words.
    pub drives: &'static str,
    /// The longest input that engines should make, in bytes.
    pub max_input: usize,
    /// The beginning of the ids of the checks that it evaluates; `None` for a target without checks.
    pub checks: Option<&'static str>,
    /// The dictionary's path, from the project's root.
    pub dictionary: Option<&'static str>,
    /// Whether engines see what the code under test compares. They do of calculators, and not of scanners
    /// (`.cargo/rustc-wrapper`): there AFL++ has nothing to solve, and is told not to try.
    pub comparisons_are_seen: bool,
    /// Whether it is the engine's base line, which belongs to benchmarks and not to campaigns.
    pub is_baseline: bool,
    run: fn(&Subject<'_>, &[u8]) -> Outcome,
    stands_for: fn(&[u8]) -> u64,
    describe: fn(&[u8]) -> Result<Description, &'static str>,
    meaning: fn(&[u8]) -> Option<u32>,
}

impl Target {
    /// Decodes an input, runs the code under test on it, and asserts.
    ///
    /// # Panics
    /// When a check fails, or the code under test panics.
    // A function of its own in every build, so that a profiler can tell what it does from the rest.
    #[inline(never)]
    pub fn run(&self, subject: &Subject<'_>, data: &[u8]) -> Outcome {
        (self.run)(subject, data)
    }

    /// The size in bytes of what an input stands for: of its image where it has one, else its own.
    #[must_use]
    pub fn stands_for(&self, data: &[u8]) -> u64 {
        (self.stands_for)(data)
    }

    /// The decoded input in words and as Rust.
    ///
    /// # Errors
    /// Why the input is not a case.
    pub fn describe(&self, data: &[u8]) -> Result<Description, &'static str> {
        (self.describe)(data)
    }

    /// What an input stands for, as eight hexadecimal digits: the same as long as it is read as the same case,
    /// with the same image byte for byte. `no case` when it is none.
    #[must_use]
    pub fn meaning(&self, data: &[u8]) -> String {
        (self.meaning)(data).map_or_else(|| "no case".to_owned(), |sum| format!("{sum:08x}"))
    }

    /// The folder of its seeds, from the project's root.
    #[must_use]
    pub fn seeds(&self) -> String {
        format!("seeds/{}", self.name)
    }
}

/// Every target.
pub static TARGETS: &[Target] = &[
    Target {
        name: "fuzz_measure_calc",
        drives: "the calculators: how large an image would be in raw, qcow2, VMDK, VHD and VHDX",
        max_input: calc::MAX_INPUT,
        checks: Some("calc."),
        dictionary: None,
        comparisons_are_seen: true,
        is_baseline: false,
        run: |subject, data| calc::run(subject.calculators, data),
        stands_for: own_size,
        describe: |data| calc::CalcCase::decode(data).map(|case| Description::from(&case)),
        meaning: |data| {
            let case = calc::CalcCase::decode(data).ok()?;
            Some(meaning::of(&case, NO_IMAGE))
        },
    },
    Target {
        name: "fuzz_measure_scan",
        drives: "the scanners: how much of a qcow2, VMDK, VHD or VHDX image holds data",
        max_input: scan::MAX_INPUT,
        checks: Some("scan."),
        dictionary: Some("dictionaries/fuzz_measure_scan.dict"),
        comparisons_are_seen: false,
        is_baseline: false,
        run: |subject, data| scan::run(subject.scanner, data),
        stands_for: |data| scan::ScanCase::decode(data).map_or(0, |case| case.capacity()),
        describe: |data| scan::ScanCase::decode(data).map(|case| Description::from(&case)),
        meaning: |data| {
            let case = scan::ScanCase::decode(data).ok()?;
            let asked = (case.format, case.unit);
            Some(match case.unpack() {
                scan::Image::Flat(image) => meaning::of(&asked, image),
                scan::Image::Sparse(image) => meaning::of(&asked, &image),
            })
        },
    },
    Target {
        name: "fuzz_measure_image",
        drives: "the scanners on images of any size made from small recipes, and the calculators on what they answer",
        max_input: recipes::LENGTH,
        checks: Some("image."),
        dictionary: None,
        comparisons_are_seen: false,
        is_baseline: false,
        run: |subject, data| image::run(subject.calculators, subject.scanner, data),
        stands_for: |data| {
            recipes::Recipe::decode(data).map_or(0, |recipe| recipe.build().image.capacity())
        },
        describe: |data| image::ImageCase::decode(data).map(|case| Description::from(&case)),
        meaning: |data| {
            let recipe = recipes::Recipe::decode(data).ok()?;
            let probe = image::Probe::of(&recipe);
            let asked = (recipe.format, recipe.unit, recipe.conditions, probe);
            Some(meaning::of(&asked, &recipe.build().image))
        },
    },
    Target {
        name: "fuzz_nothing",
        drives: "nothing: what an execution costs the engine itself",
        max_input: scan::MAX_INPUT,
        checks: None,
        dictionary: None,
        comparisons_are_seen: false,
        is_baseline: true,
        run: |_, data| {
            crate::fuzz_nothing(data);
            Outcome::Checked
        },
        stands_for: own_size,
        describe: |data| {
            Ok(Description {
                in_words: format!("{} bytes", data.len()),
                as_rust: String::new(),
            })
        },
        meaning: |_| None,
    },
];

/// The image of a case that has none.
const NO_IMAGE: &[u8] = &[];

fn own_size(data: &[u8]) -> u64 {
    data.len() as u64
}

/// The target of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
