//! What the harness must know of each target format: its options in words, and what holds for them.

use types::{
    AllocationSummary, Options, Preallocation, Qcow2Opts, VhdOpts, VhdxOpts, VmdkOpts,
    VmdkSubformat,
};

/// Whether the file measured holds metadata of its own. (A flat VMDK's is in a second file.)
pub(crate) const fn has_metadata(options: &Options) -> bool {
    !matches!(
        options,
        Options::Raw
            | Options::Vmdk(VmdkOpts {
                subformat: VmdkSubformat::MonolithicFlat,
                ..
            })
    )
}

/// Whether all data clusters are there from the start, whatever they hold.
pub(crate) const fn is_preallocated(options: &Options) -> bool {
    matches!(
        options,
        Options::Qcow2(Qcow2Opts {
            preallocation: Preallocation::Falloc | Preallocation::Full,
            ..
        })
    )
}

/// Whether the format's unit is chosen by the disk's size: then a larger disk may require less.
pub(crate) const fn chooses_its_unit(options: &Options) -> bool {
    matches!(options, Options::Vhdx(VhdxOpts { block_size: 0 }))
}

/// Whether a disk of no bytes takes more than a small one: see `measure_vhdx`.
pub(crate) const fn is_large_when_empty(options: &Options) -> bool {
    matches!(options, Options::Vhdx(_))
}

/// Options of every format, whose unit is the summary's where that is possible.
pub(crate) fn with_unit_of(summary: AllocationSummary) -> [Options; 5] {
    let unit = summary.touched.map(|units| units.unit);
    let size = |default: u32| {
        unit.and_then(|unit| u32::try_from(unit).ok())
            .unwrap_or(default)
    };
    [
        Options::Raw,
        Options::Qcow2(Qcow2Opts {
            cluster_size: size(65536),
            ..Qcow2Opts::default()
        }),
        Options::Vmdk(VmdkOpts {
            grain_size: size(65536),
            ..VmdkOpts::default()
        }),
        Options::Vhd(VhdOpts {
            block_size: size(2 << 20),
            force_size: true,
            ..VhdOpts::default()
        }),
        Options::Vhdx(VhdxOpts {
            block_size: size(0),
        }),
    ]
}

/// The options in words, sizes in bytes.
pub(crate) fn in_words(options: &Options) -> String {
    match options {
        Options::Raw => "raw".to_owned(),
        Options::Qcow2(opts) => format!(
            "qcow2 compat {}, cluster_size {}, refcount_bits {}, preallocation {:?}{}{}{}{}",
            if opts.compat_v3 { "1.1" } else { "0.10" },
            opts.cluster_size,
            opts.refcount_bits,
            opts.preallocation,
            if opts.extended_l2 {
                ", extended_l2"
            } else {
                ""
            },
            if opts.lazy_refcounts {
                ", lazy_refcounts"
            } else {
                ""
            },
            if opts.compress { ", compress" } else { "" },
            opts.luks_header_overhead
                .map_or_else(String::new, |bytes| format!(
                    ", LUKS header of {bytes} bytes"
                )),
        ),
        Options::Vmdk(opts) => {
            format!("VMDK {:?}, grain_size {}", opts.subformat, opts.grain_size)
        }
        Options::Vhd(opts) => format!(
            "VHD {:?}, block_size {}{}",
            opts.subformat,
            opts.block_size,
            if opts.force_size { ", force_size" } else { "" },
        ),
        Options::Vhdx(opts) => format!("VHDX, block_size {}", opts.block_size),
    }
}
