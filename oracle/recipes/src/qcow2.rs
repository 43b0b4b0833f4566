//! Recipes of qcow2 images.
//!
//! The unit of the runs is a cluster; slots past the disk's end are those that its L1 table has. The bytes
//! are in [`knobs`].
//!
//! What a cluster holds is its [`Kind`]. With extended entries the three free bits of a run
//! choose which subclusters are data: 0 all, 1 the lower half, 2 every other one, 3 one, 4 every other one
//! and zeroes between, 5 the lower half and some zeroes, 6 a mixture, 7 the last one after zeroes.
//!
//! # A file that is cut
//! The device may end inside the file's last cluster (see [`End`](super::conditions::End)), and that
//! cluster may be a table. As long as only zeroes are lost, the image stays the same.
//!
//! # What QEMU makes of it
//! [`is_clean_for_qemu`] predicts whether qemu-img opens the image and finds nothing wrong with it.

pub mod geometry;
pub mod header;
mod place;
mod plan;
mod refcounts;
pub mod units;

use types::{Options, Qcow2Opts, ScanErrorKind};

use crate::aliases::Aliases;
use crate::content::Content;
use crate::recipe::{Description, Recipe};
use crate::stream::Codec;
use crate::truth::{OwnSize, Truth};
use crate::writer::ImageWriter;

use geometry::Encryption;
use header::Oddity;
use place::Placed;
use plan::Plan;
use units::{Held, Kind, Place};

pub use geometry::{geometry, knobs};

/// Writes the image and returns what is true of it.
pub(super) fn build(recipe: &Recipe, writer: &mut ImageWriter) -> Truth {
    let mut plan = Plan::new(recipe);
    let mut placed = Placed::new(&mut plan);
    let refcounts = placed.write(&plan, writer);
    let refusal = header::write(&plan, &placed, refcounts, writer);
    let end = placed.file_end(&plan);
    writer.set_end(end);
    let (aliases, too_many) = plan.aliases(end);
    placed.write_aliases(&plan, aliases, writer);
    let mut truth = truth(&plan, refusal, aliases);
    truth.refuse((too_many && refusal.is_none()).then_some(ScanErrorKind::Corrupt));
    truth.shares_tables = plan.geometry.aliases != Aliases::NONE;
    if !truth.shares_tables {
        // One byte of the last cluster is enough: what is missing of it reads as zeroes.
        truth.least_length = placed.last_cluster() * plan.geometry.cluster() + 1;
    }
    writer.content = writer.content.take().and_then(|to| content(&plan, end, to));
    truth
}

/// Adds to the content what the disk of a file of `end` bytes reads as, if that is known. A cluster of zeroes may have
/// a host cluster, whose data nobody must read.
fn content(plan: &Plan, end: u64, mut content: Content) -> Option<Content> {
    let geometry = &plan.geometry;
    let has_data_elsewhere = geometry.external_data || geometry.backing_name != 0;
    if has_data_elsewhere || geometry.oddity != Oddity::None {
        return None;
    }
    content.is_encrypted = geometry.encryption != Encryption::None;
    let cluster = geometry.cluster();
    let mut compressed = Vec::new();
    for unit in &plan.clusters {
        let (start, host) = (unit.index * cluster, unit.entry & units::OFFSET);
        if unit.place == Place::Cluster {
            content.fill.with_data(host, cluster);
        }
        match (unit.place, unit.held) {
            (_, Held::Nothing) => {}
            (Place::Cluster, Held::Whole) => content.place(start, cluster, host),
            (Place::Cluster, Held::Subclusters(bits)) => {
                let size = cluster / 32;
                let ats = (0..32).filter(|nth| bits >> nth & 1 == 1);
                ats.map(|nth| nth * size)
                    .for_each(|at| content.place(start + at, size, host + at));
            }
            (Place::Compressed { .. }, _) if unit.bitmap == 0 && !content.is_encrypted => {
                compressed.push((unit.compressed(geometry), unit));
            }
            _ => content.leave_open(start, cluster),
        }
    }
    // A stream ends where the next one begins, which may be in its last sector. The same place may be named twice.
    compressed.sort_by_key(|(place, _)| place.start);
    let mut end = end;
    let codec = [Codec::Deflate, Codec::Zstd][usize::from(geometry.zstd)];
    let places = compressed.chunk_by(|one, next| one.0.start == next.0.start);
    for same in places.rev() {
        let (place, first) = &same[0];
        let place = place.start..place.end.min(end);
        end = place.start;
        let swells = first.swells && same.len() == 1;
        for (_, unit) in same {
            let start = unit.index * cluster;
            content.place_stream(start..start + cluster, place.clone(), codec, swells);
        }
    }
    Some(content)
}

/// The first table is named so many times more.
fn truth(plan: &Plan, refusal: Option<ScanErrorKind>, aliases: u64) -> Truth {
    let mut truth = Truth::new(plan.size);
    if let Some(kind) = refusal {
        truth.refuse(kind);
        return truth;
    }
    let cluster = plan.geometry.cluster();
    let on_disk = plan.on_disk();
    let mut touched = 0;
    let mut is_corrupt = false;
    let per_table = plan.geometry.clusters_per_table();
    let of_first = plan.tables.first().map_or(0, |table| table.clusters.end);
    let named = plan.clusters.iter().enumerate().flat_map(|(nth, unit)| {
        let times = if nth < of_first { aliases } else { 0 };
        (0..=times).map(move |time| (unit, unit.index + time * per_table))
    });
    for (unit, index) in named.filter(|(_, index)| *index < on_disk) {
        let from = index * cluster;
        match unit.held {
            Held::Nothing => continue,
            Held::Corrupt => is_corrupt = true,
            Held::Whole => truth.add_data(from, cluster),
            Held::Subclusters(bits) => {
                let size = cluster / 32;
                // The disk may end before them.
                if from + u64::from(bits.trailing_zeros()) * size >= plan.size {
                    continue;
                }
                let mut left = u64::from(bits);
                while left != 0 {
                    // A carry out of the lowest bits in a row turns all of them.
                    let rest = left & (left + (1 << left.trailing_zeros()));
                    let count = u64::from((left ^ rest).count_ones());
                    truth.add_data(from + u64::from(left.trailing_zeros()) * size, count * size);
                    left = rest;
                }
            }
        }
        touched += 1;
    }
    if is_corrupt {
        truth.refuse(ScanErrorKind::Corrupt);
    } else if !plan.geometry.external_data {
        truth.own_size = Some(own_size(plan, touched));
    }
    truth
}

/// What the calculator must answer for the image's data: the header, both levels of tables of the whole
/// disk, `touched` clusters of data, and refcounts for a disk that is full. How many refcount blocks that
/// takes depends on their own number: it is bounded here, not solved.
fn own_size(plan: &Plan, touched: u64) -> OwnSize {
    let geometry = &plan.geometry;
    let cluster = geometry.cluster();
    let luks = match geometry.encryption {
        Encryption::Luks => Some(place::LUKS_LENGTH),
        _ => None,
    };
    let tables = 1 + plan.l1_needed + plan.clusters_of_l1(plan.l1_needed);
    let used = tables + plan.on_disk();
    let per_block = (cluster * 8) >> geometry.refcount_order;
    let per_table = cluster / 8;
    let refcounts = |counted: u64| {
        let blocks = counted.div_ceil(per_block);
        blocks + blocks.div_ceil(per_table)
    };
    let least = refcounts(used);
    // They add at most a 64th each time, and two for what is rounded up.
    let most = refcounts(used + 2 * least + 2);
    let bytes = |refcounts: u64| {
        (tables + refcounts + touched) * cluster
            + luks.map_or(0, |bytes| bytes.next_multiple_of(cluster))
    };
    OwnSize {
        options: Options::Qcow2(Qcow2Opts {
            cluster_size: 1 << geometry.cluster_bits,
            refcount_bits: 1 << geometry.refcount_order,
            compat_v3: geometry.version > 2,
            extended_l2: geometry.extended_l2,
            lazy_refcounts: geometry.version > 2 && geometry.compatible & 1 != 0,
            luks_header_overhead: luks,
            ..Qcow2Opts::default()
        }),
        at_least: bytes(least),
        at_most: bytes(most),
    }
}

/// Whether qemu-img opens an undamaged recipe's image, which a scanner accepts, and `check` finds nothing wrong with it.
///
/// It wants keys; takes whole sectors of a size; and needs the external data file's name, for which a
/// long header in a small cluster leaves no room. What is odd about a header is left to the scanners.
/// `check` complains of reserved bits, bit 63 when it contradicts the refcount, clusters past the
/// file's end, nonsense in an L1 table's rest, tables that are named twice, and large L1 tables, to which a recipe
/// gives no refcounts.
pub fn is_clean_for_qemu(recipe: &Recipe) -> bool {
    let plan = Plan::new(recipe);
    let geometry = &plan.geometry;
    let units = recipe.runs.units(
        plan.on_disk(),
        plan.l1_entries * geometry.clusters_per_table(),
    );
    let usual = units.iter().all(|unit| unit.kind < units::FIRST_ODD);
    let counted = plan.clusters_of_l1(plan.l1_entries) <= place::MOST_COUNTED_L1_CLUSTERS;
    geometry.oddity == Oddity::None
        && geometry.encryption == Encryption::None
        && plan.size.is_multiple_of(512)
        // The data file's name has room.
        && !(geometry.external_data && u64::from(geometry.header_length) + 24 > geometry.cluster())
        && usual
        && counted
        && geometry.aliases == Aliases::NONE
        && geometry.l1_reserved == 0
        && !(geometry.l1_nonsense && plan.l1_entries > plan.l1_needed)
}

pub(super) fn describe(recipe: &Recipe) -> Description {
    let plan = Plan::new(recipe);
    Description {
        disk: plan.size,
        unit: plan.geometry.cluster(),
        slots: plan.l1_entries * plan.geometry.clusters_per_table(),
        unusual: plan.geometry.unusual(),
        kind: |unit| format!("{:?}", Kind::decode(unit.kind)),
    }
}
