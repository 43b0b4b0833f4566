//! What `tools/literal/measure` runs: writes the corpora, and executes one on one target. See README.md.
#![forbid(unsafe_code)]

use std::path::Path;

use anyhow::{Result, bail};
use cli::inputs;
use fs_err as fs;
use harness_core::scan::{ImageBytes, ScanCase};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [folder] => write_corpora(Path::new(folder)),
        [target, folder] => execute(target, Path::new(folder)),
        _ => bail!("`tools/literal/measure` calls this with what it needs"),
    }
}

/// Writes a folder a harness and corpus; those of `fuzz_measure_scan` as a whole and by format.
fn write_corpora(folder: &Path) -> Result<()> {
    for (name, path) in [
        ("scan/real", "seeds/fuzz_measure_scan"),
        ("scan/small", "shipped/fuzz_measure_scan_seed_corpus.zip"),
        ("calc/shipped", "shipped/fuzz_measure_calc_seed_corpus.zip"),
        (
            "image/shipped",
            "shipped/fuzz_measure_image_seed_corpus.zip",
        ),
    ] {
        for file in inputs::files(&Path::new("corpus").join(path))? {
            for (file, input) in inputs::read(&file)? {
                let (mut names, mut flat) = (vec![name.to_owned()], None);
                if name.starts_with("scan/") {
                    let Ok(case) = ScanCase::decode(&input) else {
                        continue;
                    };
                    let is_packed = matches!(case.image, ImageBytes::Packed { .. });
                    if is_packed != (name == "scan/real") || !is_packed && case.capacity() > 4096 {
                        continue;
                    }
                    names.push(format!("{name}-{}", case.format.name()));
                    flat = Some(literal::flat_input(&case));
                }
                for name in names {
                    for (harness, input) in [
                        ("measure", &input),
                        ("literal", flat.as_ref().unwrap_or(&input)),
                    ] {
                        let folder = folder.join(harness).join(&name);
                        fs::create_dir_all(&folder)?;
                        fs::write(folder.join(&file), input)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Executes every input in a folder.
fn execute(target: &str, folder: &Path) -> Result<()> {
    let target = match target {
        "fuzz_measure_calc" => built_in::fuzz_measure_calc,
        "fuzz_measure_scan" => built_in::fuzz_measure_scan,
        "fuzz_measure_image" => built_in::fuzz_measure_image,
        "fuzz_literal_calc" => literal::fuzz_literal_calc,
        "fuzz_literal_scan" => literal::fuzz_literal_scan,
        _ => bail!("no target is called {target}"),
    };
    for file in inputs::files(folder)? {
        execute_one(target, &fs::read(file)?);
    }
    Ok(())
}

/// Callgrind counts in here alone.
#[inline(never)]
fn execute_one(target: fn(&[u8]), input: &[u8]) {
    target(std::hint::black_box(input));
}
