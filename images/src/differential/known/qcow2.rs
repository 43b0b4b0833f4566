//! qcow2 images.

use harness_core::recipe::qcow2::qemu_view;
use harness_core::subject::ScanFormat::Qcow2;

use super::{Applies, Example, ImageEvidence, Known};
use crate::differential::qemu::bytes_of;

/// Where the header has its numbers, in bytes.
mod at {
    pub(super) const SIZE: u64 = 24;
    pub(super) const ENCRYPTION: u64 = 32;
    pub(super) const INCOMPATIBLE: u64 = 72;
}

/// The incompatible feature of an external data file.
const EXTERNAL_DATA: u64 = 4;

pub(super) const KNOWN: &[Known] = &[
    Known {
        id: "qcow2-key",
        reason: "QEMU opens an encrypted image with its key only, and reads a LUKS header; how much data there is needs neither",
        gone_since: None,
        applies: Applies::Image(Qcow2, |evidence| {
            evidence.only_they_refuse("") && evidence.big::<4>(at::ENCRYPTION) != 0
        }),
        example: Example::Recipe(&[(28, &[7])]),
    },
    Known {
        id: "qcow2-size-of-part-sectors",
        reason: "QEMU rounds a size in the header down to whole sectors of 512 bytes; the disk is as large as the header says",
        gone_since: None,
        applies: Applies::Image(Qcow2, rounds_the_size),
        example: Example::Recipe(&[(12, &[1]), (157, &[253])]),
    },
    Known {
        id: "qcow2-data-file",
        reason: "QEMU opens the external data file and needs its name; how much data there is the image's own tables say",
        gone_since: None,
        applies: Applies::Image(Qcow2, |evidence| {
            let complaints = ["data", "No such file", "file name"];
            complaints
                .iter()
                .any(|&words| evidence.only_they_refuse(words))
                && evidence.big::<8>(at::INCOMPATIBLE) & EXTERNAL_DATA != 0
        }),
        example: Example::Recipe(&[(27, &[34]), (120, &[1, 19])]),
    },
    Known {
        id: "qcow2-refcounts",
        reason: "QEMU reads refcount table and blocks when it opens an image; which data there is they do not say",
        gone_since: None,
        applies: Applies::Image(Qcow2, |evidence| evidence.only_they_refuse("refcount")),
        example: Example::Recipe(&[(152, &[192])]),
    },
    Known {
        id: "qcow2-snapshots",
        reason: "QEMU reads the snapshot table; which data the disk has now it does not say",
        gone_since: None,
        applies: Applies::Image(Qcow2, |evidence| evidence.only_they_refuse("napshot")),
        example: Example::Recipe(&[(120, &[3, 61]), (123, &[142])]),
    },
    Known {
        id: "qcow2-extensions",
        reason: "QEMU reads the header extensions; none of them says which data there is",
        gone_since: None,
        applies: Applies::Image(Qcow2, |evidence| {
            evidence.only_they_refuse("xtension") || evidence.only_they_refuse("ext_")
        }),
        example: Example::Recipe(&[(27, &[83]), (33, &[1]), (120, &[3, 6, 92, 43])]),
    },
    Known {
        id: "qcow2-table-past-end",
        reason: "QEMU reads what is past the end of the file as zeroes; a table that reaches past the file's last cluster is corrupt",
        gone_since: None,
        applies: Applies::Image(Qcow2, |evidence| {
            evidence.only_we_refuse("table is not wholly in the file's clusters")
        }),
        example: Example::Recipe(&[(13, &[3]), (20, &[9]), (22, &[1])]),
    },
    Known {
        id: "qcow2-check",
        reason: "qemu-img check complains of data past the end of the file, reserved bits, flags about refcounts, and refcounts that are left out; which data there is they do not change",
        gone_since: None,
        applies: Applies::Image(Qcow2, |evidence| {
            evidence.is_whole
                && evidence.theirs.check.is_some()
                && !qemu_view(evidence.recipe).is_clean
        }),
        example: Example::Recipe(&[(13, &[2]), (82, &[1, 241])]),
    },
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
