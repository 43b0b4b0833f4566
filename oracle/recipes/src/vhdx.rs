//! Recipes of vhdx images.
//!
//! Layout and meaning of everything that is written: Microsoft's MS-VHDX. The recipe of zeros makes
//! what `qemu-img create` does, of a disk without a byte.
//!
//! - [`mod@geometry`]: the [`knobs`], and what they choose from.
//! - [`oddity`]: the one thing of an image that is not as it should be.
//! - `layout`: where everything lies in the file.
//! - `structures`, `metadata`: headers and region tables, and the metadata, as bytes.
//! - `log`: a log that has to be replayed, and the tables before that.
//! - `entry_table`: what region tables and the metadata table have in common.
//!
//! # What the blocks hold
//! The unit of a recipe's runs is the payload block. A run's kind, below 0xf0 modulo 5: 0 fully present
//! (state 6), 1 not present (0), 2 undefined (1), 3 zero (2), 4 unmapped (3); from 0xf0 on modulo 3 a
//! state that a disk without a parent must not have: 4, 5 (reserved), 7 (partially present). The bits
//! 5 to 7 of its length: bit 5 sets reserved bits of the entry; bit 6 leaves a gap of 1 MiB in front of
//! a present block, and gives another one a place in the file all the same; bit 7 leaves a gap as long
//! as a block; all three together put a present block where the one before it lies. Entries past the
//! disk's end name places where no block may be.

mod entry_table;
pub mod geometry;
mod layout;
mod log;
mod metadata;
pub mod oddity;
mod structures;

use types::{Options, ScanErrorKind, VhdxOpts};

use crate::content::Content;
use crate::recipe::{Description, Recipe};
use crate::truth::{OwnSize, Truth};
use crate::writer::{Field, ImageWriter, Table};

use geometry::Log;
pub use geometry::{Geometry, geometry, knobs};
use layout::Layout;

/// A mebibyte: everything but the headers lies at multiples of it.
const MIB: u64 = 1 << 20;

/// Writes the image and returns what is true of it.
pub(super) fn build(recipe: &Recipe, writer: &mut ImageWriter) -> Truth {
    let geometry = geometry(recipe);
    let layout = Layout::new(recipe, &geometry);
    structures::write(&geometry, &layout, writer);
    metadata::write(&geometry, &layout, writer);
    write_bat(&geometry, &layout, writer);
    log::write(&geometry, &layout, writer);
    writer.set_end(layout.end);
    if let Some(content) = &mut writer.content {
        place_content(&layout, content);
    }
    truth(&geometry, &layout)
}

/// Adds to the content what the disk reads as. Undefined and unmapped blocks may read as anything.
fn place_content(layout: &Layout, content: &mut Content) {
    let size = layout.block_size;
    for entry in layout.entries_on_disk() {
        let start = entry.block * size;
        match entry.state {
            6 => content.place_data(start, size, entry.place),
            1 | 3 => content.leave_open(start, size),
            _ => {}
        }
    }
}

/// The numbers of an entry of the BAT. Its place is offered in steps of 64 KiB, so that one may be
/// replaced and the state stays.
const BAT_ENTRY: &[Field] = &[
    Field::number("payload block's state", 0, 1, 6),
    Field::place("payload block's place", 2, 4, 1 << 16),
];

/// How many entries of the BAT are offered to damage in one place.
const OFFERED: u64 = 48;

fn write_bat(geometry: &Geometry, layout: &Layout, writer: &mut ImageWriter) {
    let bat = layout.bat.start;
    // Sector bitmap entries, the first and the last ones; no reader of such a disk looks at them.
    let bitmaps = layout.bitmap_entries();
    let few = 16;
    let last = bitmaps.saturating_sub(few).max(few);
    for nth in (0..bitmaps.min(few)).chain(last..bitmaps) {
        let value = geometry.bitmaps.entry(geometry.garbage(nth));
        if value != 0 {
            writer.number(bat + 8 * layout.bitmap_index(nth), 8, value);
        }
    }
    for entry in &layout.entries {
        writer.number(bat + 8 * layout.index(entry.block), 8, entry.value());
    }

    let most = layout.bat.length / 8;
    let mut offer = |first: u64, entries: u64| {
        let entries = entries.min(most.saturating_sub(first));
        writer.offer_table(Table::of("BAT entry", 8, 1), bat + 8 * first, entries);
    };
    let first = layout.entries.first().map_or(0, |entry| entry.block);
    offer(layout.index(first).saturating_sub(1), OFFERED);
    // The last entries of the disk and the first ones past its end.
    let needed = layout.needed_entries();
    if needed > OFFERED {
        offer(needed - 4, 8);
    }
    for entry in layout.entries.iter().take(4) {
        let at = bat + 8 * layout.index(entry.block);
        writer.offer_structure("BAT entry", at, BAT_ENTRY);
    }
}

fn truth(geometry: &Geometry, layout: &Layout) -> Truth {
    let mut truth = Truth::new(layout.virtual_size);
    for entry in layout.entries_on_disk() {
        match entry.state {
            6 => truth.add_data(entry.block * layout.block_size, layout.block_size),
            0..=3 => {}
            _ => truth.refuse(ScanErrorKind::Corrupt),
        }
    }
    truth.refuse(layout.refusal(geometry));
    let too_many = layout.areas(geometry) > structures::MOST_AREAS;
    truth.refuse(too_many.then_some(ScanErrorKind::Unsupported));
    if let Some(log) = layout.log_to_replay(geometry) {
        truth.needs_replay = log < Log::Unanchored && !truth.is_refused();
        truth.refuse(ScanErrorKind::Unsupported);
    }
    if !truth.is_refused() {
        truth.own_size = own_size(layout);
    }
    truth
}

/// The block size that QEMU chooses for a disk of so many bytes, in bytes.
fn default_block_size(virtual_size: u64) -> u64 {
    let exceeded = [1 << 30, 100 << 30, 32 << 40].into_iter();
    (8 << 20) << exceeded.filter(|limit| virtual_size > *limit).count()
}

/// The calculator's answer for the image: the file's length when all lies as QEMU puts it, else bounds.
fn own_size(layout: &Layout) -> Option<OwnSize> {
    if layout.shares_places {
        return None;
    }
    let options = Options::Vhdx(VhdxOpts {
        block_size: match layout.block_size == default_block_size(layout.virtual_size) {
            true => 0,
            // At most 256 MiB.
            false => layout.block_size as u32,
        },
    });
    // A file has the blocks (but for what lies past the disk's end), headers, metadata and the entries
    // of its BAT; the calculator has 7 MiB and a BAT for sectors of 512 bytes, whole MiB of it.
    let blocks = layout.virtual_size.div_ceil(layout.block_size);
    let bat = layout::bat_length(blocks, layout::chunk_ratio(layout.block_size, 512));
    let (at_least, at_most) = if layout.is_as_of_qemu {
        (layout.end, layout.end)
    } else {
        (
            7 * MIB + layout.present_on_disk() * layout.block_size,
            layout.end + 5 * MIB + layout.block_size + bat,
        )
    };
    Some(OwnSize {
        options,
        at_least,
        at_most,
    })
}

pub(super) fn describe(recipe: &Recipe) -> Description {
    let geometry = geometry(recipe);
    let layout = Layout::new(recipe, &geometry);
    Description {
        disk: layout.virtual_size,
        unit: layout.block_size,
        slots: layout.slots(),
        unusual: geometry.unusual(),
        kind: |unit| format!("state {}", layout::state_of(unit)),
    }
}
