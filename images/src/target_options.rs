//! The options that images of each format are made with: qemu-img's names and types.

use super::format::ImageFormat;
use super::luks;
use super::options::{Kind, Spec, spec};

/// The options that images of a format are made with.
#[must_use]
pub const fn specs(format: ImageFormat) -> &'static [Spec] {
    match format {
        ImageFormat::Raw => RAW,
        ImageFormat::Qcow2 => QCOW2,
        ImageFormat::Vmdk => VMDK,
        ImageFormat::Vhd => VHD,
        ImageFormat::Vhdx => VHDX,
    }
}

const RAW: &[Spec] = &[
    spec(
        "preallocation",
        Kind::Text,
        "off, falloc or full; the size is the same",
    ),
    spec("size", Kind::Size, "ignored: --size or FILE gives it"),
];

const QCOW2: &[Spec] = &{
    let [e0, e1, e2, e3, e4, e5, e6, e7, e8] = luks::SPECS;
    [
        spec(
            "backing_file",
            Kind::Text,
            "a base image; all of a FILE then counts as data",
        ),
        spec("backing_fmt", Kind::Text, "the base image's format"),
        spec(
            "cluster_size",
            Kind::Size,
            "512 to 2M, a power of two (default 64k)",
        ),
        spec("compat", Kind::Text, "1.1 (default) or 0.10"),
        spec(
            "compression_type",
            Kind::Text,
            "zlib (default) or zstd; not known to the answer",
        ),
        spec(
            "data_file",
            Kind::Text,
            "a file for the data, which is counted all the same",
        ),
        spec(
            "data_file_raw",
            Kind::Switch,
            "the data file stays valid as a raw image",
        ),
        e0,
        e1,
        e2,
        e3,
        e4,
        e5,
        e6,
        e7,
        e8,
        spec(
            "extended_l2",
            Kind::Switch,
            "subclusters; clusters of 16k or more",
        ),
        spec(
            "lazy_refcounts",
            Kind::Switch,
            "refcounts are written later",
        ),
        spec(
            "preallocation",
            Kind::Text,
            "off (default), metadata, falloc or full",
        ),
        spec(
            "refcount_bits",
            Kind::Number,
            "1 to 64, a power of two (default 16)",
        ),
        spec("size", Kind::Size, "ignored: --size or FILE gives it"),
    ]
};

const VMDK: &[Spec] = &[
    spec(
        "adapter_type",
        Kind::Text,
        "ide (default), lsilogic, buslogic or legacyESX",
    ),
    spec("backing_file", Kind::Text, "a base image; only with --size"),
    spec("backing_fmt", Kind::Text, "must be vmdk"),
    spec("compat6", Kind::Switch, "version 6"),
    spec("hwversion", Kind::Text, "hardware version, a text"),
    spec("size", Kind::Size, "ignored: --size or FILE gives it"),
    spec(
        "subformat",
        Kind::Text,
        "monolithicSparse (default), monolithicFlat (the extent) or streamOptimized (at most)",
    ),
    spec(
        "toolsversion",
        Kind::Text,
        "version of the guest's tools, a text",
    ),
    spec(
        "zeroed_grain",
        Kind::Switch,
        "zeroes are marked in the tables",
    ),
];

const VHD: &[Spec] = &[
    spec(
        "force_size",
        Kind::Switch,
        "the size as it is, not rounded up to whole cylinders",
    ),
    spec("size", Kind::Size, "ignored: --size or FILE gives it"),
    spec("subformat", Kind::Text, "dynamic (default) or fixed"),
];

const VHDX: &[Spec] = &[
    spec(
        "block_size",
        Kind::Size,
        "1M to 256M, a power of two; 0 (default): by the disk's size",
    ),
    spec(
        "block_state_zero",
        Kind::Switch,
        "zeroes are marked in the table",
    ),
    spec("log_size", Kind::Size, "1M (default) up to 4G"),
    spec("size", Kind::Size, "ignored: --size or FILE gives it"),
    spec("subformat", Kind::Text, "dynamic; fixed cannot be answered"),
];
