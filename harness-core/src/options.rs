//! What the oracle must know of a target format's options.

use types::{Options, Preallocation, Qcow2Opts, VmdkOpts, VmdkSubformat};

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
