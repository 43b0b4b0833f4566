//! What is true of the image: its data, why it is refused, and how long its file is.

use types::ScanErrorKind::{Corrupt, NotThisFormat, Unsupported};
use types::{Options, VhdOpts, VhdSubformat};

use super::geometry::{
    Chs, DIFFERENCING, DYNAMIC, FIXED, Fault, Footer, Kind, LARGEST_DISK, LARGEST_GEOMETRY,
    Placement, VERSION,
};
use super::{ABSENT, FOOTER, HEADER, Making, SECTOR};
use crate::runs::Unit;
use crate::truth::{OwnSize, Truth};

impl Making<'_> {
    /// Adds the blocks' data to the truth, or the reasons to refuse the image. Returns how many blocks of
    /// the disk are in the file.
    pub(super) fn judge(&self, units: &[Unit], entries: &[u32], truth: &mut Truth) -> u64 {
        let geometry = self.geometry;
        if geometry.footers.copy != Footer::Good && geometry.footers.end != Footer::Good {
            let cookie = [geometry.footers.copy, geometry.footers.end].contains(&Footer::Damaged);
            truth.refuse(if cookie { Corrupt } else { NotThisFormat });
            return 0;
        }
        self.refuse_by_footer(truth);
        if !matches!(geometry.disk_type, DYNAMIC | DIFFERENCING) {
            // What else is wrong is not of interest: nothing is known of such a disk.
            return 0;
        }
        truth.refuse((geometry.header_version != VERSION).then_some(Unsupported));
        let is_wrong = match geometry.fault {
            // A disk of no blocks needs no entries, and a table of none lies over nothing.
            Some(Fault::TooFewEntries) => self.disk.blocks != 0,
            Some(Fault::TableOverCopy | Fault::TableOverHeader) => self.entries != 0,
            fault => fault.is_some(),
        };
        let wrong_table = !geometry.block_is_supported() || self.disk.table_is_too_short;
        truth.refuse((is_wrong || wrong_table).then_some(Corrupt));
        let block = self.disk.block;
        let mut data_blocks = 0;
        for (unit, entry) in units.iter().zip(entries) {
            if unit.index >= self.disk.blocks || *entry == ABSENT {
                continue;
            }
            let misplaced = matches!(Kind::of(unit), Kind::OverMetadata | Kind::PastEnd);
            let is_looked_at = geometry.disk_type == DYNAMIC;
            truth.refuse((misplaced && is_looked_at).then_some(Corrupt));
            data_blocks += 1;
            truth.add_data(unit.index * block, block);
        }
        data_blocks
    }

    /// What a scanner refuses because of the footer that it believes.
    pub(super) fn refuse_by_footer(&self, truth: &mut Truth) {
        let geometry = self.geometry;
        let too_large = self.disk.size > LARGEST_DISK * SECTOR;
        let known = matches!(geometry.disk_type, FIXED | DYNAMIC);
        truth.refuse((geometry.version != VERSION).then_some(Unsupported));
        truth.refuse((too_large || !known).then_some(Unsupported));
    }

    pub(super) fn own_size_of_dynamic(&self, data_blocks: u64) -> Option<OwnSize> {
        let geometry = self.geometry;
        let end = self.writer.end();
        let plain = self.blocks_are_plain
            && geometry.placement == Placement::Front
            && geometry.gap == 0
            && geometry.spare.0 == 0
            && self.end_footer_bytes() == FOOTER;
        let (at_least, at_most) = if plain {
            (end, end)
        } else {
            let least = 2 * FOOTER + HEADER + data_blocks * self.disk.block_in_file();
            (least, least + 4 * self.disk.blocks + SECTOR)
        };
        self.own_size(VhdSubformat::Dynamic, at_least, at_most)
    }

    /// How the calculator's answer relates to the file, for blocks of which it knows.
    pub(super) fn own_size(
        &self,
        subformat: VhdSubformat,
        at_least: u64,
        at_most: u64,
    ) -> Option<OwnSize> {
        if self.disk.block < 512 << 10 {
            return None;
        }
        let sectors = self.disk.size / SECTOR;
        // Where a geometry has exactly this size, or none can, the size need not be forced.
        let exact = sectors > LARGEST_GEOMETRY || Chs::of(sectors).sectors() == sectors;
        Some(OwnSize {
            options: Options::Vhd(VhdOpts {
                subformat,
                block_size: self.disk.block as u32,
                force_size: !exact,
            }),
            at_least,
            at_most,
        })
    }
}
