//! Recipes: some dozens of bytes that stand for an image of any size and for what is true of it.
//!
//! A recipe names a format, a geometry, which units of the disk hold data, then *damage*, a policy for
//! the checksums, and the device that the image is on. [`Recipe::build`] makes the sparse image. The
//! [`truth`] of an undamaged recipe is known from making it, whatever a scanner answers.
//!
//! # Layout, version 0
//! Positional and little-endian: see [`at`] for the bytes that all formats share and [`knobs`] for a
//! format's own. What is not there reads as zero, so every byte string is a recipe. The empty one is an
//! empty qcow2 image. Only another version is rejected. What is used rarely comes last. A device serves
//! [`conditions::SERVED_OF_DAMAGED`] bytes of a damaged image that is longer.
//!
//! # Where to start
//! - [`layout`] and [`recipe`]: the bytes, decoded.
//! - [`qcow2`], [`vmdk`], [`vhd`], [`vhdx`]: a folder a format; the table of formats is in this file.
//! - [`content`]: what the disk reads as.
//! - [`aliases`]: tables that are named more than once.
//! - [`writer`] and [`damage`]: how an image is written and broken.

#![forbid(unsafe_code)]

pub mod aliases;
mod choices;
pub mod conditions;
pub mod content;
pub mod damage;
pub mod layout;
pub mod positional;
pub mod qcow2;
pub mod recipe;
pub mod runs;
mod stream;
pub mod truth;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;
pub mod writer;

pub use layout::{Bytes, Knob, LENGTH, at};
pub use positional::Positional;
pub use recipe::{Recipe, Size, unit_of_selector};

use sparse::SparseImage;
use types::ScanFormat;

use conditions::Conditions;
use content::Content;
use damage::ChecksumPolicy;
use recipe::Description;
use runs::Unit;
use truth::Truth;
use writer::ImageWriter;

/// A format's row.
struct Format {
    /// Numbers in its files are big-endian.
    big_endian: bool,
    /// Writes the image and returns what is true of it.
    build: fn(&Recipe, &mut ImageWriter) -> Truth,
    /// What the image is like.
    describe: fn(&Recipe) -> Description,
    /// The bytes of geometry and rare knobs.
    knobs: &'static [Knob],
}

macro_rules! rows {
    ($($format:ident: $big_endian:literal),*) => {
        [$(Format {
            big_endian: $big_endian,
            build: $format::build,
            describe: $format::describe,
            knobs: $format::knobs::LAYOUT,
        }),*]
    };
}

/// In the order of [`ScanFormat::ALL`].
static FORMATS: [Format; ScanFormat::COUNT] = rows![
    qcow2: true,
    vmdk: false,
    vhd: true,
    vhdx: false
];

/// The knobs of a format: what the bytes of geometry and rare knobs mean.
pub fn knobs(format: ScanFormat) -> &'static [Knob] {
    FORMATS[format as usize].knobs
}

/// What a recipe makes.
pub struct Built {
    /// The image file: what the recipe makes, before a device cuts or extends it.
    pub image: SparseImage,
    /// What is true of the image; `None` when it is damaged.
    pub truth: Option<Truth>,
    /// What damage did, a line for each, in words.
    pub damage_done: Vec<damage::Done>,
}

impl Built {
    /// The image on a device, which may end before the file or after it. The truth stays only if it
    /// [holds](Truth::holds_of_first) there too.
    pub fn on_device(mut self, conditions: &Conditions) -> Self {
        let capacity = conditions.capacity(self.image.capacity());
        self.truth = self
            .truth
            .filter(|truth| truth.holds_of_first(capacity, &self.image));
        self.image.set_capacity(capacity);
        self
    }
}

impl Recipe {
    /// Makes the image.
    pub fn build(&self) -> Built {
        let format = &FORMATS[self.format as usize];
        let mut writer = ImageWriter::new(format.big_endian);
        let truth = (format.build)(self, &mut writer);
        writer.put_checksums_right();
        let mut damage_done: Vec<_> = self
            .damages
            .iter()
            .filter_map(|damage| damage.apply(&mut writer))
            .collect();
        if !damage_done.is_empty() && self.checksums != ChecksumPolicy::AsTheyFell {
            writer.put_checksums_right();
        }
        if let ChecksumPolicy::OneWrong { which, mask } = self.checksums {
            damage_done.extend(writer.break_checksum(which, mask));
        }
        Built {
            image: writer.finish(),
            truth: damage_done.is_empty().then_some(truth),
            damage_done,
        }
    }

    /// What the disk of the undamaged image reads as; `None` where that is not known: with backing and external data
    /// files, tables that are named twice, and a sound header that is odd.
    pub fn content(&self) -> Option<Content> {
        let format = &FORMATS[self.format as usize];
        let mut writer = ImageWriter::new(format.big_endian);
        writer.content = Some(Content::default());
        let truth = (format.build)(self, &mut writer);
        let is_known = !truth.is_refused() && !truth.shares_tables;
        let mut content = writer.content.filter(|_| is_known)?;
        content.virtual_size = truth.virtual_size;
        Some(content)
    }

    /// The recipe in words: format, disk, what of the geometry is unusual, data, damage, device.
    pub fn in_words(&self) -> String {
        let Description {
            disk,
            unit,
            slots,
            unusual,
            kind,
        } = (FORMATS[self.format as usize].describe)(self);
        let built = self.build();
        let mut words = format!(
            "{} image of {} bytes: a disk of {disk} bytes in units of {unit}{unusual}",
            self.format.name(),
            built.image.capacity()
        );
        let units = self.runs.units(disk.div_ceil(unit), slots);
        let of_one_run = |unit: &Unit, next: &Unit| {
            unit.index + 1 == next.index && (unit.kind, unit.extra) == (next.kind, next.extra)
        };
        for run in units.chunk_by(of_one_run) {
            let (first, last) = (run[0], run[run.len() - 1].index);
            words += &format!("; units {} to {last}: {}", first.index, kind(&first));
            if first.extra != 0 {
                words += &format!(" with extra {}", first.extra);
            }
        }
        for done in &built.damage_done {
            words += &format!("; damaged: {done}");
        }
        words += &format!("; {}", self.conditions.in_words());
        if let Some(unit) = self.unit {
            words += &format!("; counting units of {unit} bytes");
        }
        words
    }
}
