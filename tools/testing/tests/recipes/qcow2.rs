//! The knobs of qcow2 recipes.

use fastrand::Rng;
use harness_core::subject::{ScanErrorKind, ScanFormat::Qcow2};
use recipes::at;
use recipes::qcow2::geometry::{CLUSTER_BITS, FileEnd, L1Length, Part, REFCOUNT_ORDERS};
use recipes::qcow2::header::Oddity;
use recipes::qcow2::units::{FIRST_ODD, Kind};
use recipes::qcow2::{geometry, knobs};

use crate::reach::{Reach, knobs};
use crate::{Bytes, Sound, explore};

#[test]
fn recipes_model_and_scanner_agree_and_all_knobs_are_reached() {
    let reach = explore(Qcow2, 33, prepare, note);
    for oddity in Oddity::ALL {
        reach.assert_all("oddity", [(oddity, refusal(oddity))]);
    }
    let shared = [(0, 0), (1, 0), (2, 0), (3, 0), (1, 1), (2, 2), (3, 3)];
    reach.assert_all("snapshots", shared);
    let usual = (0..6).map(Kind::decode);
    let of_both_versions = |kind| [(kind, 2), (kind, 3)];
    reach.assert_all("kind", usual.clone().flat_map(of_both_versions));
    let odd = (FIRST_ODD..FIRST_ODD + 4).map(Kind::decode);
    reach.assert_all("kind", odd.map(|kind| (kind, 3)));
    let patterns = usual.flat_map(|kind| (0..8).map(move |extra| (kind, extra)));
    reach.assert_all("pattern", patterns);
    // A device may lack zeroes of the file's last cluster, whatever lies there.
    for last in [Part::Refcounts, Part::L1, Part::L2, Part::Data] {
        reach.assert_all("zeroes cut", [(last, true), (last, false)]);
    }
}

/// Makes half of the recipes usual ones: nothing odd about the header, no odd clusters, no keys. Of these some are
/// on a device that ends up to 64 KiB before the file, as often as not inside a table.
fn prepare(bytes: &mut Bytes, random: &mut Rng) {
    if random.bool() {
        return;
    }
    bytes[at::RARE..].fill(0);
    bytes[knobs::ENCRYPTION] = 0;
    for run in bytes[at::RUNS..at::DAMAGES].chunks_exact_mut(4) {
        run[3] %= FIRST_ODD;
    }
    if random.bool() {
        bytes[at::END_MODE] = 4;
        let cut = random.u16(..) >> random.u32(..16);
        bytes[at::END..at::END + 2].copy_from_slice(&cut.to_le_bytes());
        if random.bool() {
            // Refcounts first, and then L2 or L1 last.
            bytes[knobs::ORDER] = random.u8(1..=2);
        }
    }
}

fn note(sound: &Sound<'_>, reach: &mut Reach) {
    let it = geometry(sound.recipe);
    let has_data = sound.answer.is_ok_and(|it| it.allocated_bytes != 0);
    if let Some(own) = sound.truth.own_size {
        assert!(own.at_most - own.at_least <= own.at_least / 8 + (8 << 20));
    }
    if sound.cut != 0 {
        reach.note("zeroes cut", (it.order[3], has_data));
    }
    knobs!(
        reach,
        it,
        version: 2,
        refcount_order: REFCOUNT_ORDERS.len(),
        encryption: 3,
        // 72, 104, and 112 to 512 by eights.
        header_length: 2 + 51,
        order: 24,
    );
    reach.note("oddity", (it.oddity, sound.answer.err()));
    let cluster = (it.cluster_bits, it.extended_l2);
    reach.knob("cluster", cluster, CLUSTER_BITS.len() + 8);
    let features = (it.external_data, it.raw_external_data, it.zstd);
    reach.knob("features", features, 3 * 2);
    reach.knob("marks", (it.dirty, it.corrupt), 4);
    let turned = (it.interleaved, it.l2_reversed, it.data_reversed);
    reach.knob("turned", turned, 8);
    reach.note("snapshots", (it.snapshots, it.sharing_snapshots()));
    let backing = (it.backing_name.min(2), it.backing_name_last);
    reach.knob("backing", backing, 6);
    reach.knob("nonsense", (it.l1_nonsense, it.l1_reserved != 0), 4);
    let l1 = match it.l1_length {
        L1Length::More(more) => L1Length::More(more.min(2)),
        L1Length::WholeClusters(more) => L1Length::WholeClusters(more.min(1)),
        limit @ L1Length::Limit(_) => limit,
    };
    reach.knob("L1", l1, 3 + 2 + 3);
    let end = match it.end {
        FileEnd::Cut(bytes) => FileEnd::Cut(bytes.min(1)),
        FileEnd::Grown(_) => FileEnd::Grown(0),
    };
    reach.knob("end", end, 3);
    if let Ok(summary) = sound.answer {
        let on_disk = summary.virtual_size.div_ceil(it.cluster());
        for unit in sound.recipe.runs.units(on_disk, on_disk) {
            reach.note("kind", (Kind::decode(unit.kind), it.version));
            if it.extended_l2 {
                reach.note("pattern", (Kind::decode(unit.kind), unit.extra));
            }
        }
    }
}

/// How a scanner must refuse what is odd.
fn refusal(oddity: Oddity) -> Option<ScanErrorKind> {
    match oddity {
        Oddity::Magic => Some(ScanErrorKind::NotThisFormat),
        Oddity::UnknownFeature | Oddity::Version | Oddity::Encryption | Oddity::CompressionType => {
            Some(ScanErrorKind::Unsupported)
        }
        Oddity::None
        | Oddity::MostSnapshots
        | Oddity::LargestRefcountTable
        | Oddity::HeaderUnaligned
        | Oddity::HeaderOfACluster
        | Oddity::BackingNameAtEnd
        | Oddity::RefcountTableAlmostFar
        | Oddity::SnapshotsAlmostFar => None,
        _ => Some(ScanErrorKind::Corrupt),
    }
}
