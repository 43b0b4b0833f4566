//! A small disk-image library under the oracle.
//!
//! It has a calculator for raw images and a scanner for qcow2, with mistakes of the kind that are really made.
#![forbid(unsafe_code)]

use std::io;

use harness_core::subject::{
    AllocationSummary, Calculators, MeasureError, MeasureOutput, Measured, Options, ScanErrorKind,
    ScanFormat,
};
use harness_core::{ImageFile, Judgement, Library, Map, Refusal, Subject};

/// What is fuzzed and replayed. Its answers must be right, and it must not take what is unsound. The next step is
/// that it refuses nothing sound: `Judgement::REFUSALS`.
pub static SUBJECT: Subject<'static> = Subject::new("subject::SUBJECT")
    .with_scanner(&Library::new(&[ScanFormat::Qcow2], map))
    .with_calculators(&SmallLibrary)
    .held_to(Judgement::VALUES.and(Judgement::ACCEPTS))
    .with_known(include_str!("../../known.toml"));

/// The library's calculators.
pub struct SmallLibrary;

fn map(image: ImageFile, _format: ScanFormat) -> Result<Map, Refusal> {
    let image = Qcow2::open(image)?;
    let mut map = Map::new(image.virtual_size);
    for number in 0..image.virtual_size.div_ceil(image.cluster).min(1 << 16) {
        if image.holds_data(number)? {
            map.add(number * image.cluster, image.cluster);
        }
    }
    Ok(map)
}

impl Calculators for SmallLibrary {
    fn measure(&self, summary: &AllocationSummary, _options: &Options) -> Measured {
        let has_too_many_units = summary.touched.is_some_and(|units| {
            units.unit == 0 || units.count > summary.virtual_size.div_ceil(units.unit)
        });
        let holds_too_much = summary.allocated_bytes > summary.virtual_size;
        if has_too_many_units || holds_too_much || summary.virtual_size > i64::MAX as u64 {
            return Err(MeasureError::InvalidSize);
        }
        // A mistake: a last sector that is there in part is lost.
        let size = summary.virtual_size / 512 * 512;
        Ok(MeasureOutput {
            required: size,
            fully_allocated: size,
        })
    }

    fn not_supported(&self, options: &Options) -> Option<&'static str> {
        (*options != Options::Raw).then(|| options.name())
    }
}

/// The bits of an entry that are an offset.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// A qcow2 image. From here on the library knows no harness, but for two refusals.
struct Qcow2 {
    image: ImageFile,
    cluster: u64,
    virtual_size: u64,
    l1_offset: u64,
}

impl Qcow2 {
    fn open(image: ImageFile) -> Result<Self, Refusal> {
        let number = |at| read_number(&image, at);
        if number(0)? >> 32 != 0x5146_49fb {
            return Err(Refusal::Words {
                kind: Some(ScanErrorKind::NotThisFormat),
                words: "no qcow2 image".to_owned(),
            });
        }
        let is_version_3 = number(4)? >> 32 == 3;
        if is_version_3 && number(72)? & 16 != 0 {
            return Err(Refusal::not_supported("extended L2 entries"));
        }
        let cluster_bits = number(20)? >> 32;
        if !(9..=21).contains(&cluster_bits) {
            return Err(Refusal::words("cluster bits out of range"));
        }
        Ok(Self {
            cluster: 1 << cluster_bits,
            virtual_size: number(24)?,
            l1_offset: number(40)? & OFFSET,
            image,
        })
    }

    fn holds_data(&self, number: u64) -> io::Result<bool> {
        let entries = self.cluster / 8;
        // A mistake: nobody asks whether the table has so many entries, nor where it may lie.
        let l1_entry = read_number(&self.image, self.l1_offset + number / entries * 8)?;
        if l1_entry & OFFSET == 0 {
            return Ok(false);
        }
        let l2_entry = read_number(&self.image, (l1_entry & OFFSET) + number % entries * 8)?;
        // Another one: whatever an entry names counts as data, zeroes too.
        Ok(l2_entry & OFFSET != 0)
    }
}

fn read_number(image: &ImageFile, at: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    image.read_exact_at(&mut bytes, at)?;
    Ok(u64::from_be_bytes(bytes))
}
