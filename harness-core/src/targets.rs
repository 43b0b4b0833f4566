//! The one list of targets.
//!
//! A target has one name everywhere: here, as the binary of each engine, as the folder of its seeds
//! and its corpus, in reports. A test compares this list with the three engine crates.

use sparse::{SparseImage, fingerprint};
use worker::{Case, Description, Outcome, Part};

use crate::subject::{ScanFormat, Subject};
use crate::{calc, detect, image, scan};

/// The image file behind an input, and its format, unless the input leaves that open.
pub type InputImage = (Option<ScanFormat>, SparseImage);

/// Something to fuzz.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name, everywhere.
    pub name: &'static str,
    /// What of the code under test it drives, in a few words.
    pub drives: &'static str,
    /// The longest input that engines should make, in bytes.
    pub max_input: usize,
    /// The beginning of the ids of the checks that it evaluates; `None` for a target without checks.
    pub checks: Option<&'static str>,
    /// The dictionary's path, from the project's root.
    pub dictionary: Option<&'static str>,
    /// Whether the code that it drives is built with compare tracing. Calculators are, scanners are not
    /// (`.cargo/rustc-wrapper`): there AFL++ has nothing to solve.
    pub compare_tracing: bool,
    /// Whether it measures an engine's own cost: it belongs to benchmarks and not to campaigns.
    pub is_baseline: bool,
    run: fn(&Subject<'_>, &[u8]) -> Outcome,
    decoded_size: fn(&[u8]) -> u64,
    describe: fn(&[u8]) -> Result<Description, &'static str>,
    fingerprint: fn(&[u8]) -> Option<u32>,
    image: fn(&[u8]) -> Option<InputImage>,
}

impl Target {
    /// Decodes an input, runs the code under test on it, and asserts.
    ///
    /// # Panics
    /// When a check fails, or the code under test panics.
    // A function of its own in every build, so that a profiler can count what it does.
    #[inline(never)]
    pub fn run(&self, subject: &Subject<'_>, data: &[u8]) -> Outcome {
        (self.run)(subject, data)
    }

    /// The size in bytes of an input's image, or its own where it has none.
    #[must_use]
    pub fn decoded_size(&self, data: &[u8]) -> u64 {
        (self.decoded_size)(data)
    }

    /// The decoded input in words and as Rust.
    ///
    /// # Errors
    /// Why the input is not a case.
    pub fn describe(&self, data: &[u8]) -> Result<Description, &'static str> {
        (self.describe)(data)
    }

    /// Eight hexadecimal digits that stay the same as long as an input decodes to the same case, with the same
    /// image byte for byte. `no case` when it is none.
    #[must_use]
    pub fn fingerprint(&self, data: &[u8]) -> String {
        (self.fingerprint)(data).map_or_else(|| "no case".to_owned(), |sum| format!("{sum:08x}"))
    }

    /// The image file behind an input, as the device has it; `None` when the input is no case, or has no image.
    #[must_use]
    pub fn image(&self, data: &[u8]) -> Option<InputImage> {
        (self.image)(data)
    }

    /// The folder of its seeds, from the project's root.
    #[must_use]
    pub fn seeds(&self) -> String {
        format!("corpus/seeds/{}", self.name)
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
        compare_tracing: true,
        is_baseline: false,
        run: |subject, data| calc::run(subject.calculators, subject.judgement, data),
        decoded_size: own_size,
        describe: |data| calc::CalcCase::decode(data).map(|case| Description::from(&case)),
        fingerprint: |data| {
            let case = calc::CalcCase::decode(data).ok()?;
            Some(fingerprint::of(&case, b"".as_slice()))
        },
        image: |_| None,
    },
    Target {
        name: "fuzz_measure_scan",
        drives: "the scanners: how much of a qcow2, VMDK, VHD or VHDX image holds data",
        max_input: scan::MAX_INPUT,
        checks: Some("scan."),
        dictionary: Some("corpus/dictionaries/fuzz_measure_scan.dict"),
        compare_tracing: false,
        is_baseline: false,
        run: |subject, data| scan::run(subject.scanner, subject.judgement, data),
        decoded_size: |data| scan::ScanCase::decode(data).map_or(0, |case| case.capacity()),
        describe: |data| scan::ScanCase::decode(data).map(|case| Description::from(&case)),
        fingerprint: |data| {
            let case = scan::ScanCase::decode(data).ok()?;
            Some(fingerprint::of(&(case.format, case.unit), &packed(data)?.1))
        },
        image: packed,
    },
    Target {
        name: "fuzz_measure_image",
        drives: "the scanners on images of any size made from small recipes, and the calculators on what they answer",
        max_input: recipes::LENGTH,
        checks: Some("image."),
        dictionary: None,
        compare_tracing: false,
        is_baseline: false,
        run: |subject, data| {
            let Subject {
                calculators,
                scanner,
                judgement,
                ..
            } = *subject;
            image::run(calculators, scanner, judgement, data)
        },
        decoded_size: |data| {
            image::decode(data).map_or(0, |recipe| recipe.build().image.capacity())
        },
        describe: |data| image::ImageCase::decode(data).map(|case| Description::from(&case)),
        fingerprint: |data| {
            let recipe = image::decode(data).ok()?;
            let probe = image::Probe::of(&recipe);
            let asked = (recipe.format, recipe.unit, recipe.conditions, probe);
            Some(fingerprint::of(&asked, &recipe.build().image))
        },
        image: |data| {
            let recipe = image::decode(data).ok()?;
            let built = recipe.build().on_device(&recipe.conditions);
            Some((Some(recipe.format), built.image))
        },
    },
    Target {
        name: "fuzz_measure_detect",
        drives: "detection: which formats a file is of, and what a VMDK's descriptor lists",
        max_input: detect::MAX_INPUT,
        checks: Some("detect."),
        dictionary: Some("corpus/dictionaries/fuzz_measure_detect.dict"),
        compare_tracing: true,
        is_baseline: false,
        run: |subject, data| match subject.detector {
            Some(detector) => detect::run(detector, subject.scanner, subject.judgement, data),
            None => Outcome::NotJudged("detection".to_owned()),
        },
        decoded_size: own_size,
        describe: |data| detect::DetectCase::decode(data).map(|case| Description::from(&case)),
        fingerprint: |data| {
            let case = detect::DetectCase::decode(data).ok()?;
            Some(fingerprint::of(&"a file", case.file))
        },
        image: |data| Some((None, detect::DetectCase::decode(data).ok()?.file.into())),
    },
    Target {
        name: "fuzz_nothing",
        drives: "nothing: what an execution costs the engine itself",
        max_input: scan::MAX_INPUT,
        checks: None,
        dictionary: None,
        compare_tracing: false,
        is_baseline: true,
        run: |_, data| {
            crate::fuzz_nothing(data);
            Outcome::Checked
        },
        decoded_size: own_size,
        describe: |data| {
            Ok(Description {
                part: Part::new("fuzz_nothing"),
                case: Case {
                    words: format!("{} bytes", data.len()),
                    rust: String::new(),
                },
            })
        },
        fingerprint: |_| None,
        image: |_| None,
    },
];

fn packed(data: &[u8]) -> Option<InputImage> {
    let case = scan::ScanCase::decode(data).ok()?;
    let image = match case.unpack() {
        scan::Image::Flat(bytes) => bytes.into(),
        scan::Image::Sparse(image) => image,
    };
    Some((Some(case.format), image))
}

fn own_size(data: &[u8]) -> u64 {
    data.len() as u64
}

/// The target of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
