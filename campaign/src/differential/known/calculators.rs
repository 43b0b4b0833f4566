//! Calculators.

use measure::{MeasureError, Preallocation, Qcow2Opts, VhdOpts, VhdxOpts, VmdkOpts, VmdkSubformat};
use types::Options;

use super::{Applies, CalculatorEvidence, Example, Known};
use crate::differential::calculators::Theirs;
use crate::differential::question::{Question, Source, Way};

const LARGEST_DISK: u64 = (1 << 63) - 1;

pub(super) const KNOWN: &[Known] = &[
    Known {
        id: "raw-negative-size",
        reason: "qemu-img prints 2^63 bytes as a negative number; we say that they do not fit",
        gone_since: None,
        applies: Applies::Calculator(|evidence| {
            evidence.question.options == Options::Raw
                && evidence.ours == Err(MeasureError::Overflow)
                && *evidence.theirs == Theirs::Sizes(i64::MIN, i64::MIN)
        }),
        example: Example::Question(|| empty(Options::Raw, LARGEST_DISK, Way::MeasureSize)),
    },
    Known {
        id: "qcow2-measured-not-created",
        reason: "qemu-img measures version 2 images with features of version 3, and images of a file that need a larger L1 table than there may be; it does not create them",
        gone_since: None,
        applies: Applies::Calculator(|evidence| {
            matches!(evidence.question.options, Options::Qcow2(_))
                && evidence.ours.is_err()
                && matches!(evidence.theirs, Theirs::Sizes(..))
                && (evidence.not_created)()
        }),
        example: Example::Question(|| {
            let opts = Qcow2Opts {
                compat_v3: false,
                lazy_refcounts: true,
                preallocation: Preallocation::Off,
                ..Qcow2Opts::default()
            };
            empty(Options::Qcow2(opts), 1 << 20, Way::MeasureSize)
        }),
    },
    Known {
        id: "vmdk-grain-numbers",
        reason: "qemu-img cuts numbers of grains to 32 bits: from 2^32 - 512 grains on it writes no tables, or too few; we count them, up to 2^32 - 1 grains",
        gone_since: None,
        applies: Applies::Calculator(|evidence| {
            matches!(evidence.question.options, Options::Vmdk(_))
                && !is_flat(evidence)
                && evidence.question.size.div_ceil(65536) > (1 << 32) - 512
                && matches!(evidence.theirs, Theirs::Length(_))
        }),
        example: Example::Question(|| empty(vmdk_sparse(), 1 << 48, Way::Create)),
    },
    Known {
        id: "vmdk-empty-not-opened",
        reason: "qemu-img writes an empty disk's header, and then does not open it",
        gone_since: None,
        applies: Applies::Calculator(|evidence| {
            matches!(evidence.question.options, Options::Vmdk(_)) && cannot_open_its_own(evidence)
        }),
        example: Example::Question(|| empty(vmdk_sparse(), 0, Way::Convert(Source::Raw))),
    },
    Known {
        id: "vhd-empty-fixed-not-opened",
        reason: "qemu-img writes an empty fixed disk, which is one footer, and then takes it for a dynamic disk's",
        gone_since: None,
        applies: Applies::Calculator(|evidence| {
            matches!(evidence.question.options, Options::Vhd(_)) && cannot_open_its_own(evidence)
        }),
        example: Example::Question(|| {
            let opts = VhdOpts {
                subformat: measure::VhdSubformat::Fixed,
                ..VhdOpts::default()
            };
            empty(Options::Vhd(opts), 0, Way::Convert(Source::Raw))
        }),
    },
    Known {
        id: "vhdx-block-size-rounded",
        reason: "qemu-img rounds a block size up to 1 MiB and cuts it to 256 MiB before it looks at it; so does a tool, and not the calculator",
        gone_since: None,
        applies: Applies::Calculator(|evidence| {
            matches!(evidence.question.options, Options::Vhdx(VhdxOpts { block_size })
                if !block_size.is_multiple_of(1 << 20) || block_size > 1 << 28)
                && evidence.ours == Err(MeasureError::InvalidOption)
                && matches!(evidence.theirs, Theirs::Length(_))
        }),
        example: Example::Question(|| {
            let opts = VhdxOpts { block_size: 1 };
            empty(Options::Vhdx(opts), 1 << 20, Way::Create)
        }),
    },
];

fn vmdk_sparse() -> Options {
    Options::Vmdk(VmdkOpts {
        subformat: VmdkSubformat::MonolithicSparse,
        ..VmdkOpts::default()
    })
}

/// A question about an empty disk.
fn empty(options: Options, size: u64, way: Way) -> Question {
    Question {
        options,
        size,
        fills: Vec::new(),
        way,
    }
}

fn is_flat(evidence: &CalculatorEvidence<'_>) -> bool {
    matches!(
        evidence.question.options,
        Options::Vmdk(opts) if opts.subformat == VmdkSubformat::MonolithicFlat
    )
}

/// Of an empty disk, that qemu-img made the image and fails to open it.
fn cannot_open_its_own(evidence: &CalculatorEvidence<'_>) -> bool {
    evidence.question.size == 0
        && evidence.ours.is_ok()
        && matches!(evidence.theirs, Theirs::Refused(why) if why.contains("Could not open 'image'"))
}
