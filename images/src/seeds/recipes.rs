//! Which images are made for `fuzz_measure_scan`, each with what it shows.
//!
//! They are small in what a scan reads of them; what data they hold does not matter, since no scanner
//! reads data. (Of VHDX with large tables, those are made whose unused entries are zeroes: an entry of
//! another state would cost an input eight bytes.)

mod qcow2;
mod vhd;
mod vhdx;
mod vmdk;

use std::num::NonZeroU64;

use crate::format::ImageFormat;

/// How one image is made.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// What it shows; the seed's name.
    pub name: &'static str,
    /// The image's format.
    pub format: ImageFormat,
    /// How it is made, in order.
    pub steps: &'static [Step],
}

/// One step of a [`Recipe`].
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Make the image, with these options, of this size.
    Create(&'static str, &'static str),
    /// Make a raw disk of this size to convert from, and give it data with these qemu-io commands.
    Source(&'static str, &'static [&'static str]),
    /// Run these qemu-io commands on the image.
    Write(&'static [&'static str]),
    /// Run qemu-img with these arguments.
    QemuImg(&'static [&'static str]),
}

use Step::{Source, Write};

/// Whether units are counted, and which: the recipes take turns.
fn units() -> impl Iterator<Item = Option<NonZeroU64>> {
    [
        None,
        NonZeroU64::new(65536),
        NonZeroU64::new(512),
        NonZeroU64::new(2 << 20),
    ]
    .into_iter()
    .cycle()
}

const fn recipe(name: &'static str, format: ImageFormat, steps: &'static [Step]) -> Recipe {
    Recipe {
        name,
        format,
        steps,
    }
}

/// Data here and there in the first 4 MiB, in whole clusters of 64 KiB.
const SCATTERED: Step = Write(&[
    "write -P 1 0 128k",
    "write -P 2 1M 64k",
    "write -P 3 3968k 128k",
]);

/// The same data, to convert from.
const SCATTERED_SOURCE: Step = Source(
    "4M",
    &[
        "write -P 1 0 128k",
        "write -P 2 1M 64k",
        "write -P 3 3968k 128k",
    ],
);

/// Every recipe, and the unit to count in its image.
pub fn all() -> impl Iterator<Item = (&'static Recipe, Option<NonZeroU64>)> {
    let formats = [qcow2::RECIPES, vmdk::RECIPES, vhd::RECIPES, vhdx::RECIPES];
    formats.into_iter().flatten().zip(units())
}
