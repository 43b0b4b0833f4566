//! The images that are made for `fuzz_measure_scan`, each with what it shows.
//!
//! They are small in what a scan reads of them; what data they hold does not matter, since no scanner
//! reads data. (Of VHDX with large tables, those are made whose unused entries are zeroes: an entry of
//! another state would cost an input eight bytes.)
//!
//! A format's table has a paragraph an image: its name, then a command a line, indented:
//!
//! ```text
//! create [-o OPTIONS] SIZE     make the image with qemu-img
//! source SIZE                  make a raw disk to convert from, source.raw
//! source COMMAND               a qemu-io command on that disk
//! qemu-img ARGUMENTS           qemu-img itself; the image is called image
//! COMMAND                      a qemu-io command on the image
//! ```

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

use crate::differential::qemu::{IMAGE, Qemu};
use crate::format::FormatRef;
use crate::formats;
use crate::layer::Unit;

/// The name of a raw disk to convert from.
const SOURCE: &str = "source.raw";

/// How one image is made.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// What it shows; the seed's name.
    pub name: &'static str,
    /// The image's format.
    pub format: FormatRef,
    /// The unit to count in it, in bytes.
    pub unit: Unit,
    /// The commands that make it, in order.
    commands: Vec<&'static str>,
}

/// Every recipe. They take turns in which units are counted.
pub(crate) fn all() -> Vec<Recipe> {
    let units = [None, Some(65536), Some(512), Some(2 << 20)];
    let mut units = units
        .map(|unit| unit.and_then(NonZeroU64::new))
        .into_iter()
        .cycle();
    let mut all: Vec<Recipe> = Vec::new();
    for format in formats::ALL {
        for line in format.scan_seeds.lines() {
            match (line.strip_prefix("    "), all.last_mut()) {
                (Some(command), Some(recipe)) => recipe.commands.push(command),
                _ if line.is_empty() || line.starts_with('#') => {}
                _ => all.push(Recipe {
                    name: line,
                    format,
                    unit: units.next().flatten(),
                    commands: Vec::new(),
                }),
            }
        }
    }
    all
}

impl Recipe {
    /// Makes the image in `folder`, which is empty. Returns its path.
    pub(crate) fn make(&self, qemu: &Qemu, folder: &Path) -> Result<PathBuf> {
        let format = self.format.qemu_name;
        for command in &self.commands {
            let line = match command.split_once(' ') {
                Some(("create", arguments)) => {
                    let (options, size) = arguments.rsplit_once(' ').unwrap_or(("", arguments));
                    format!("qemu-img create -q -f {format} {options} {IMAGE} {size}")
                }
                Some(("source", command)) if command.contains(' ') => {
                    format!("qemu-io -f raw -c '{command}' {SOURCE}")
                }
                Some(("source", size)) => format!("qemu-img create -q -f raw {SOURCE} {size}"),
                Some(("qemu-img", _)) => (*command).to_owned(),
                _ => format!("qemu-io -f {format} -c '{command}' {IMAGE}"),
            };
            let ended = qemu.run(folder, &line).map_err(|why| anyhow!("{why}"))?;
            // qemu-io may print on standard output that a command failed, and end well.
            if !ended.is_ok() || ended.stdout.contains("failed") {
                let mut lines = ended.stderr.lines().chain(ended.stdout.lines());
                bail!("{line}: {}", lines.next().unwrap_or_default());
            }
        }
        Ok(folder.join(IMAGE))
    }
}
