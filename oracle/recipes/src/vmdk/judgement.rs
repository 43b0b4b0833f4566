//! What is true of the image: why it is refused, and how long its file is.

use types::ScanErrorKind::{Corrupt, NotThisFormat, Unsupported};
use types::{Options, VmdkOpts, VmdkSubformat};

use super::geometry::{Descriptor, Kind, MAGIC, Placement, Redundant, Tail};
use super::{DESCRIPTOR_SECTORS, ENTRIES, Making, SECTOR, TABLE};
use crate::truth::{OwnSize, Truth};

impl Making<'_> {
    /// Says why a scanner must refuse the image.
    pub(super) fn refuse(&self, truth: &mut Truth, tables_named: u64) {
        let geometry = self.geometry;
        if geometry.magic != MAGIC {
            // Nothing else is looked at.
            truth.refuse(if geometry.magic == "COWD" {
                Unsupported
            } else {
                NotThisFormat
            });
            return;
        }
        let unnamed = [Descriptor::Absent, Descriptor::Unnamed].contains(&geometry.descriptor);
        if geometry.capacity == Some(0) && !unnamed {
            // The descriptor lists the extents; the rest of the header does not matter.
            truth.refuse(Unsupported);
            return;
        }
        if geometry.footer_fault.is_some()
            || (geometry.kind == Kind::StreamWithFooter && geometry.tail == Tail::Cut)
        {
            // There is no header.
            truth.refuse(Corrupt);
            return;
        }
        if !(1..=3).contains(&geometry.version)
            || !geometry.grain_is_supported()
            || geometry.table_entries != ENTRIES as u32
        {
            // Nothing else in the header can be known to be wrong.
            truth.refuse(Unsupported);
            return;
        }
        let sectors = self.writer.end().div_ceil(SECTOR);
        let empty = geometry.capacity == Some(0);
        // The capacities that are not the disk's ask for a directory of many GiB.
        let directory = geometry.capacity.is_some() && !empty;
        let tables =
            !empty && (geometry.tail == Tail::Cut || tables_named * (TABLE / SECTOR) > sectors);
        if self.announced_overhead(sectors) > sectors || directory || tables {
            truth.refuse(Corrupt);
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
        let head = 1 + DESCRIPTOR_SECTORS;
        let most_head =
            head * SECTOR + 2 * (self.disk.tables * (TABLE + 4) + SECTOR) + self.disk.grain;
        let (at_least, at_most) = match subformat {
            VmdkSubformat::MonolithicSparse if plain => (end, end),
            VmdkSubformat::MonolithicSparse => (
                head * SECTOR + data_grains * grain,
                most_head + data_grains * grain,
            ),
            // The calculator's answer is a bound: deflating adds less than two sectors to a grain.
            _ => (
                if plain && geometry.kind == Kind::Stream {
                    end
                } else {
                    head * SECTOR + data_grains * grain
                },
                most_head + data_grains * (grain + 2 * SECTOR),
            ),
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
