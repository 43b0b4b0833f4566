//! What is true of the image: why it is refused, and how long its file is.

use types::ScanErrorKind::{self, Corrupt, NotThisFormat, Unsupported};
use types::{Options, VmdkOpts, VmdkSubformat};

use super::geometry::{Descriptor, Kind, MAGIC, Placement, Redundant, Tail};
use super::{DESCRIPTOR_SECTORS, ENTRIES, Making, SECTOR, TABLE};
use crate::truth::OwnSize;

impl Making<'_> {
    /// Why a scanner must refuse the image, whose directory names so many tables.
    pub(super) fn refusal(&self, tables_named: u64) -> Option<ScanErrorKind> {
        let geometry = self.geometry;
        let empty = geometry.capacity == Some(0);
        let unnamed = [Descriptor::Absent, Descriptor::Unnamed].contains(&geometry.descriptor);
        let cut = geometry.tail == Tail::Cut;
        let sectors = self.writer.end().div_ceil(SECTOR);
        if geometry.magic != MAGIC {
            // Nothing else is looked at.
            let known = geometry.magic == "COWD";
            Some(if known { Unsupported } else { NotThisFormat })
        } else if empty && !unnamed {
            // The descriptor lists the extents; the rest of the header does not matter.
            Some(Unsupported)
        } else if geometry.footer_fault.is_some()
            || (geometry.kind == Kind::StreamWithFooter && cut)
        {
            // There is no header.
            Some(Corrupt)
        } else if !(1..=3).contains(&geometry.version)
            || !geometry.grain_is_supported()
            || geometry.table_entries != ENTRIES as u32
        {
            // Nothing else in the header can be known to be wrong.
            Some(Unsupported)
        } else {
            // The capacities that are not the disk's ask for a directory of many GiB.
            let directory = geometry.capacity.is_some();
            let tables = cut || directory || tables_named * (TABLE / SECTOR) > sectors;
            let overhead = self.announced_overhead(sectors) > sectors;
            (overhead || tables && !empty).then_some(Corrupt)
        }
    }

    /// How the calculator's answer relates to the file, for grains of which it knows.
    pub(super) fn own_size(&self, data_grains: u64) -> Option<OwnSize> {
        let geometry = self.geometry;
        let grain = self.disk.grain;
        if grain < 4096 {
            return None;
        }
        let subformat = match geometry.kind {
            Kind::Sparse => VmdkSubformat::MonolithicSparse,
            Kind::Stream | Kind::StreamWithFooter => VmdkSubformat::StreamOptimized,
        };
        let plain = self.grains_are_plain
            && geometry.placement == Placement::Front
            && !matches!(geometry.redundant, Redundant::Absent | Redundant::Empty)
            && geometry.descriptor != Descriptor::Absent
            && (geometry.table_gap, geometry.grain_gap, geometry.spare.0) == (0, 0, 0)
            && geometry.tail == Tail::Sector
            && self.parts.len() as u64 == self.disk.tables;
        let end = self.writer.end();
        let least = (1 + DESCRIPTOR_SECTORS) * SECTOR + data_grains * grain;
        let most = least + 2 * (self.disk.tables * (TABLE + 4) + SECTOR) + grain;
        let (at_least, at_most) = match geometry.kind {
            Kind::Sparse if plain => (end, end),
            Kind::Sparse => (least, most),
            // The calculator's answer is a bound: deflating adds less than two sectors to a grain.
            Kind::Stream if plain => (end, most + data_grains * 2 * SECTOR),
            Kind::Stream | Kind::StreamWithFooter => (least, most + data_grains * 2 * SECTOR),
        };
        Some(OwnSize {
            options: Options::Vmdk(VmdkOpts {
                subformat,
                grain_size: grain as u32,
            }),
            at_least,
            at_most,
        })
    }
}
