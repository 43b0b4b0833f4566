//! Where QEMU and we differ about qcow2.

use measure::Qcow2Opts;
use recipes::qcow2::qemu_view;
use types::Options as CalcOptions;

use crate::differential::evidence::{ImageEvidence, Known, TheirAnswer};
use crate::differential::qemu::bytes_of;
use crate::differential::question::{Question, Way};

/// Where the header has its numbers, in bytes.
mod at {
    pub(super) const SIZE: u64 = 24;
    pub(super) const ENCRYPTION: u64 = 32;
    pub(super) const INCOMPATIBLE: u64 = 72;
}

/// The incompatible feature of an external data file.
const EXTERNAL_DATA: u64 = 4;

pub(super) const KNOWN: &[Known] = &[
    Known::calculator(
        "qcow2-measured-not-created",
        "qemu-img measures version 2 images with features of version 3, and images of a file \
         that need a larger L1 table than there may be; it does not create them",
        |evidence| {
            evidence.ours.is_err()
                && matches!(evidence.theirs, TheirAnswer::Sizes(..))
                && (evidence.not_created)()
        },
        || {
            let opts = Qcow2Opts {
                compat_v3: false,
                lazy_refcounts: true,
                ..Qcow2Opts::default()
            };
            Question::empty(CalcOptions::Qcow2(opts), 1 << 20, Way::MeasureSize)
        },
    ),
    Known::image(
        "qcow2-key",
        "QEMU opens an encrypted image with its key only, and reads a LUKS header; how much \
         data there is needs neither",
        |evidence| evidence.only_they_refuse("") && evidence.big::<4>(at::ENCRYPTION) != 0,
        &[(28, &[7])],
    ),
    Known::image(
        "qcow2-size-of-part-sectors",
        "QEMU rounds a size in the header down to whole sectors of 512 bytes; the disk is as \
         large as the header says",
        rounds_the_size,
        &[(12, &[1]), (157, &[253])],
    ),
    Known::image(
        "qcow2-data-file",
        "QEMU opens the external data file and needs its name; how much data there is the \
         image's own tables say",
        |evidence| {
            let complaints = ["data", "No such file", "file name"];
            complaints
                .iter()
                .any(|&words| evidence.only_they_refuse(words))
                && evidence.big::<8>(at::INCOMPATIBLE) & EXTERNAL_DATA != 0
        },
        &[(27, &[34]), (120, &[1, 19])],
    ),
    Known::image(
        "qcow2-refcounts",
        "QEMU reads refcount table and blocks when it opens an image; which data there is \
         they do not say",
        |evidence| evidence.only_they_refuse("refcount"),
        &[(152, &[192])],
    ),
    Known::image(
        "qcow2-snapshots",
        "QEMU reads the snapshot table; which data the disk has now it does not say",
        |evidence| evidence.only_they_refuse("napshot"),
        &[(120, &[3, 61]), (123, &[142])],
    ),
    Known::image(
        "qcow2-extensions",
        "QEMU reads the header extensions; none of them says which data there is",
        |evidence| evidence.only_they_refuse("xtension") || evidence.only_they_refuse("ext_"),
        &[(27, &[83]), (33, &[1]), (120, &[3, 6, 92, 43])],
    ),
    Known::image(
        "qcow2-table-past-end",
        "QEMU reads what is past the end of the file as zeroes; a table that reaches past the \
         file's last cluster is corrupt",
        |evidence| evidence.only_we_refuse("table is not wholly in the file's clusters"),
        &[(13, &[3]), (20, &[9]), (22, &[1])],
    ),
    Known::image(
        "qcow2-check",
        "qemu-img check complains of data past the end of the file, reserved bits, flags \
         about refcounts, and refcounts that are left out; which data there is they do not \
         change",
        |evidence| {
            evidence.is_whole
                && evidence.theirs.check.is_some()
                && !qemu_view(evidence.recipe).is_clean
        },
        &[(13, &[2]), (82, &[1, 241])],
    ),
];

fn rounds_the_size(evidence: &ImageEvidence<'_>) -> bool {
    let Some((ours, disk)) = evidence.both() else {
        return false;
    };
    let size = evidence.big::<8>(at::SIZE);
    let data = disk.data.as_deref().map_or(0, bytes_of);
    ours.virtual_size == size
        && !size.is_multiple_of(512)
        && disk.size == size - size % 512
        && (data..data + 512).contains(&ours.allocated_bytes)
}
