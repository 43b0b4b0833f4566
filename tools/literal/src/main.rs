//! What `tools/literal/measure` runs: writes the corpora, and executes one on one target. See README.md.
#![forbid(unsafe_code)]

use std::path::Path;

use anyhow::{Result, bail};
use cli::inputs;
use fs_err as fs;
use harness_core::subject::ScanFormat;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(|argument| &**argument)
        .collect::<Vec<_>>()[..]
    {
        ["corpora", folder] => write_corpora(Path::new(folder)),
        ["execute", target, folder] => execute(target, Path::new(folder)),
        _ => bail!("`tools/literal/measure` calls this with what it needs"),
    }
}

/// Writes a folder a corpus and harness: those of `fuzz_measure_scan` as a whole and by format. A real image is one that qemu-img
/// made: it is packed in its input, and the literal harness gets it flat. A small one has at most 4 KiB.
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
                let selector = input.first().copied().unwrap_or_default();
                let is_packed = selector & 0x80 != 0;
                let format = match name {
                    "scan/real" if !is_packed => continue,
                    "scan/small" if is_packed || input.len() > 4097 => continue,
                    "scan/real" | "scan/small" => ScanFormat::ALL.get(usize::from(selector & 3)),
                    _ => None,
                };
                let of_format = format.map(|format| format!("{name}-{}", format.name()));
                let literal = match format {
                    Some(_) => &literal::flat_input(&input),
                    None => &input,
                };
                for name in of_format.iter().map(String::as_str).chain([name]) {
                    for (harness, input) in [("measure", &input), ("literal", literal)] {
                        let folder = folder.join(harness).join(name);
                        fs::create_dir_all(&folder)?;
                        fs::write(folder.join(&file), input)?;
                    }
                }
            }
        }
    }
    Ok(())
}

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
