//! The inputs that both harnesses are measured on.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use cli::inputs;
use harness_core::scan::{Image, ScanCase};
use harness_core::subject::ScanFormat;

/// The longest input with a small image, in bytes.
const SMALL: usize = 4097;

/// Images that qemu-img made: `fuzz_measure_scan` gets them packed, the literal harness as they stand in a file.
pub const REAL_IMAGES: &str = "real images";

/// Inputs of one target.
pub struct Corpus {
    /// What they are.
    pub name: &'static str,
    /// Of this format; `None` for all of them.
    pub format: Option<ScanFormat>,
    /// The target of today's harness.
    pub target: &'static str,
    /// Its inputs.
    pub ours: Vec<Vec<u8>>,
    /// What the literal harness gets for each of them; `None` where it has no such target.
    pub literal: Option<Vec<Vec<u8>>>,
}

impl Corpus {
    /// The target of the literal harness.
    #[must_use]
    pub fn literal_target(&self) -> String {
        self.target.replace("measure", "literal")
    }
}

/// Everything that is measured.
///
/// # Errors
/// When a corpus cannot be read, or is empty.
pub fn all() -> Result<Vec<Corpus>> {
    let scans = read("shipped/fuzz_measure_scan_seed_corpus.zip")?;
    let flat = |input: &&Vec<u8>| {
        input.len() <= SMALL && input.first().is_some_and(|&selector| selector < 0x80)
    };
    let flat: Vec<_> = scans.iter().filter(flat).cloned().collect();
    let mut real = read("seeds/fuzz_measure_scan")?;
    real.retain(|input| input.first().is_some_and(|&selector| selector >= 0x80));
    let mut corpora = Vec::new();
    for format in [None].into_iter().chain(ScanFormat::ALL.map(Some)) {
        let of_format = |inputs: &[Vec<u8>]| {
            let format = format.map(|format| format as usize);
            let is_of =
                |input: &&Vec<u8>| format.is_none_or(|format| usize::from(input[0] & 3) == format);
            inputs.iter().filter(is_of).cloned().collect::<Vec<_>>()
        };
        let (real, flat) = (of_format(&real), of_format(&flat));
        let unpacked = real.iter().map(|input| unpack(input)).collect();
        for (name, ours, literal) in [
            (REAL_IMAGES, real, unpacked),
            ("small flat images", flat.clone(), flat),
        ] {
            let target = "fuzz_measure_scan";
            let literal = Some(literal);
            corpora.push(Corpus {
                name,
                format,
                target,
                ours,
                literal,
            });
        }
    }
    for target in ["fuzz_measure_calc", "fuzz_measure_image"] {
        let ours = read(&format!("shipped/{target}_seed_corpus.zip"))?;
        let literal = (target == "fuzz_measure_calc").then(|| ours.clone());
        corpora.push(Corpus {
            name: "shipped corpus",
            format: None,
            target,
            ours,
            literal,
        });
    }
    for corpus in &corpora {
        ensure!(
            !corpus.ours.is_empty(),
            "{} has no {}",
            corpus.target,
            corpus.name
        );
    }
    Ok(corpora)
}

/// The project's folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The inputs in a folder or a zip of `corpus/`.
fn read(path: &str) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for file in inputs::files(&root().join("corpus").join(path))? {
        all.extend(inputs::read(&file)?.into_iter().map(|(_, input)| input));
    }
    Ok(all)
}

/// The same image as a flat input.
fn unpack(input: &[u8]) -> Vec<u8> {
    let case = ScanCase::decode(input).expect("it has a first byte");
    let mut flat = vec![0; 1 + case.capacity() as usize];
    flat[0] = input[0] & 3;
    match case.unpack() {
        Image::Flat(image) => flat[1..].copy_from_slice(image),
        Image::Sparse(image) => image.read(0, &mut flat[1..]),
    }
    flat
}
