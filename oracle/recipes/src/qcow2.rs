//! Recipes of qcow2 images.
//!
//! The unit of the runs is a cluster; slots past the disk's end are those that its L1 table has. The bytes
//! are in [`knobs`].
//!
//! # What a cluster holds
//! Below 0xe0, modulo 6: 0 data, 1 zeroes, 2 zeroes with a host cluster, 3 compressed, 4 compressed in
//! the host cluster of what was compressed before, 5 nothing (extended: a host cluster of which nothing is
//! used). From 0xe0 on, modulo 8: 0 data past the file's end, 1 data that says that it is shared, 2
//! reserved bits, 3 the zero flag whatever the version, 4 an unaligned offset, 5 compressed with a bitmap,
//! 6 a bitmap of data and zeroes at once, 7 a bitmap without a host cluster. See [`Kind`].
//!
//! With extended entries the three bits of a run that are free say what subclusters are data: 0 all, 1
//! the lower half, 2 every other one, 3 one, 4 every other one and zeroes between, 5 the lower half and
//! some zeroes, 6 a mixture, 7 the last one after zeroes.
//!
//! # A file that is cut
//! The device may end inside the file's last cluster (see [`End`](super::conditions::End)), and that
//! cluster may be a table. As long as only zeroes are lost, the image stays the same.
//!
//! # What QEMU makes of it
//! [`qemu_view`] tells whether qemu-img takes the image, and finds nothing wrong with it.

pub mod geometry;
pub mod header;
pub mod knobs;
mod place;
mod plan;
mod refcounts;
pub mod units;

use std::fmt::Write as _;

use types::{Options, Qcow2Opts, ScanErrorKind};

use crate::recipe::Recipe;
use crate::truth::{OwnSize, Truth};
use crate::writer::ImageWriter;

use geometry::{Encryption, Geometry};
use header::{Facts, Oddity};
use place::Placed;
use plan::Plan;
use units::{Held, Kind};

/// The recipe's geometry.
#[must_use]
pub fn geometry(recipe: &Recipe) -> Geometry {
    Geometry::decode(recipe)
}

/// Writes the image, and tells what is true of it.
pub(super) fn build(recipe: &Recipe, writer: &mut ImageWriter) -> Truth {
    let mut plan = Plan::new(recipe);
    let mut placed = Placed::new(&mut plan);
    let refcounts = placed.write(&plan, writer);
    let cluster = plan.geometry.cluster();
    let facts = Facts {
        size: plan.size,
        l1_needed: plan.l1_needed,
        l1_entries: plan.l1_entries,
        l1_offset: placed.l1_offset,
        refcounts_offset: refcounts.first * cluster,
        refcounts_clusters: refcounts.clusters,
        snapshots_offset: placed.snapshots_offset,
        luks: placed.luks,
    };
    let refusal = header::write(&plan.geometry, &facts, writer);
    writer.set_end(placed.file_end(&plan));
    let mut truth = truth(&plan, refusal);
    // One byte of the last cluster is enough: what is missing of it reads as zeroes.
    truth.least_length = placed.last_cluster() * cluster + 1;
    truth
}

fn truth(plan: &Plan, refusal: Option<ScanErrorKind>) -> Truth {
    let mut truth = Truth::new(plan.size);
    if let Some(kind) = refusal {
        truth.refuse(kind);
        return truth;
    }
    let cluster = plan.geometry.cluster();
    let on_disk = plan.on_disk();
    // Data that lies together is told at once.
    let (mut start, mut length) = (0, 0);
    let mut touched = 0;
    let mut add = |from: u64, bytes: u64| {
        if from != start + length {
            truth.add_data(start, length);
            (start, length) = (from, 0);
        }
        length += bytes;
    };
    let mut is_corrupt = false;
    for unit in plan.clusters.iter().filter(|unit| unit.index < on_disk) {
        let from = unit.index * cluster;
        match unit.held {
            Held::Nothing => continue,
            Held::Corrupt => is_corrupt = true,
            Held::Whole => add(from, cluster),
            Held::Subclusters(mut bits) => {
                let size = cluster / 32;
                let mut nth = 0;
                // The disk may end before them.
                if from + u64::from(bits.trailing_zeros()) * size >= plan.size {
                    continue;
                }
                while bits != 0 {
                    let skipped = u64::from(bits.trailing_zeros());
                    bits >>= skipped;
                    let count = u64::from(bits.trailing_ones());
                    bits = bits.checked_shr(count as u32).unwrap_or(0);
                    add(from + (nth + skipped) * size, count * size);
                    nth += skipped + count;
                }
            }
        }
        touched += 1;
    }
    truth.add_data(start, length);
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
    let Plan {
        geometry, size: _, ..
    } = plan;
    let cluster = geometry.cluster();
    let luks = match geometry.encryption {
        Encryption::Luks => Some(4096_u64),
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

/// What qemu-img makes of an undamaged recipe's image that a scanner accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QemuView {
    /// It opens the image without a key, sees the same size, and `map` the same data.
    pub agrees: bool,
    /// `check` finds nothing wrong.
    pub is_clean: bool,
}

/// What qemu-img makes of the image.
///
/// It wants keys; takes whole sectors of a size; and needs the external data file's name, for which a
/// long header in a small cluster leaves no room. What is odd about a header is left to the scanners.
/// `check` complains of reserved bits, bit 63 when it does not say what the refcount is, clusters past the
/// file's end, nonsense in an L1 table's rest, and large L1 tables, to which a recipe gives no refcounts.
#[must_use]
pub fn qemu_view(recipe: &Recipe) -> QemuView {
    let plan = Plan::new(recipe);
    let geometry = &plan.geometry;
    let agrees = geometry.oddity == Oddity::None
        && geometry.encryption == Encryption::None
        && plan.size.is_multiple_of(512)
        // The data file's name has room.
        && !(geometry.external_data && u64::from(geometry.header_length) + 24 > geometry.cluster());
    let units = recipe.runs.units(
        plan.on_disk(),
        plan.l1_entries * geometry.clusters_per_table(),
    );
    let usual = units.iter().all(|unit| unit.kind < units::FIRST_ODD);
    let counted = plan.clusters_of_l1(plan.l1_entries) <= place::MOST_COUNTED_L1_CLUSTERS;
    QemuView {
        agrees,
        is_clean: agrees
            && usual
            && counted
            && geometry.l1_reserved == 0
            && !(geometry.l1_nonsense && plan.l1_entries > plan.l1_needed),
    }
}

/// The geometry and the data, in words.
pub(super) fn describe(recipe: &Recipe) -> String {
    let plan = Plan::new(recipe);
    let geometry = &plan.geometry;
    let mut words = format!(
        "version {}, a disk of {} bytes in clusters of {}, refcounts of {} bits, {} L1 entries of which {} needed",
        geometry.version,
        plan.size,
        geometry.cluster(),
        1 << geometry.refcount_order,
        plan.l1_entries,
        plan.l1_needed,
    );
    for (has, what) in [
        (geometry.extended_l2, "extended L2 entries"),
        (geometry.external_data, "an external data file"),
        (geometry.raw_external_data, "which is raw"),
        (geometry.zstd, "zstd"),
        (geometry.dirty, "dirty"),
        (geometry.corrupt, "marked corrupt"),
        (geometry.encryption == Encryption::Luks, "LUKS"),
        (geometry.encryption == Encryption::Aes, "AES"),
        (geometry.interleaved, "data behind its L2 table"),
        (geometry.l2_reversed, "L2 tables reversed"),
        (geometry.data_reversed, "data reversed"),
        (geometry.l1_reserved != 0, "reserved bits in L1 entries"),
        (geometry.l1_nonsense, "nonsense in the L1 table's rest"),
    ] {
        if has {
            words += ", ";
            words += what;
        }
    }
    if geometry.backing_name != 0 {
        let _ = write!(
            words,
            ", a backing file's name of {} bytes",
            geometry.backing_name
        );
    }
    if geometry.snapshots != 0 {
        let _ = write!(words, ", {} snapshots", geometry.snapshots);
    }
    if geometry.oddity != Oddity::None {
        let _ = write!(words, ", odd: {:?}", geometry.oddity);
    }
    let _ = write!(words, ", in the order {:?}", geometry.order);
    let units = recipe.runs.units(
        plan.on_disk(),
        plan.l1_entries * geometry.clusters_per_table(),
    );
    for run in
        units.chunk_by(|a, b| a.index + 1 == b.index && (a.kind, a.extra) == (b.kind, b.extra))
    {
        let (first, last) = (run[0].index, run[run.len() - 1].index);
        let _ = write!(
            words,
            "; clusters {first} to {last}: {:?}",
            Kind::decode(run[0].kind)
        );
        if geometry.extended_l2 {
            let _ = write!(words, " (pattern {})", run[0].extra);
        }
    }
    words
}
