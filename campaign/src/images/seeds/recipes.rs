//! Which images are made for `fuzz_measure_scan`, each with what it shows.
//!
//! They are small in what a scan reads of them; what data they hold does not matter, since no scanner
//! reads data. (Of VHDX with large tables, those are made whose unused entries are zeroes: an entry of
//! another state would cost an input eight bytes.)

use std::num::NonZeroU64;

use crate::images::format::ImageFormat::{self, Qcow2, Vhd, Vhdx, Vmdk};

/// How one image is made.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// What it shows; the seed's name.
    pub name: &'static str,
    /// The image's format.
    pub format: ImageFormat,
    /// How it is made, in order.
    pub steps: &'static [Step],
}

/// One step of a [`Recipe`].
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Make the image, with these options, of this size.
    Create(&'static str, &'static str),
    /// Make a raw disk of this size to convert from, and give it data with these qemu-io commands.
    Source(&'static str, &'static [&'static str]),
    /// Run these qemu-io commands on the image.
    Write(&'static [&'static str]),
    /// Run qemu-img with these arguments.
    QemuImg(&'static [&'static str]),
}

use Step::{Create, QemuImg, Source, Write};

/// Whether units are counted, and which: the recipes take turns.
pub fn units() -> impl Iterator<Item = Option<NonZeroU64>> {
    [
        None,
        NonZeroU64::new(65536),
        NonZeroU64::new(512),
        NonZeroU64::new(2 << 20),
    ]
    .into_iter()
    .cycle()
}

const fn recipe(name: &'static str, format: ImageFormat, steps: &'static [Step]) -> Recipe {
    Recipe {
        name,
        format,
        steps,
    }
}

/// Data here and there in the first 4 MiB, in whole clusters of 64 KiB.
const SCATTERED: Step = Write(&[
    "write -P 1 0 128k",
    "write -P 2 1M 64k",
    "write -P 3 3968k 128k",
]);

/// The same data, to convert from.
const SCATTERED_SOURCE: Step = Source(
    "4M",
    &[
        "write -P 1 0 128k",
        "write -P 2 1M 64k",
        "write -P 3 3968k 128k",
    ],
);

/// Every recipe.
pub const RECIPES: &[Recipe] = &[
    recipe("qcow2-v3-empty", Qcow2, &[Create("", "1M")]),
    recipe("qcow2-v3-of-size-0", Qcow2, &[Create("", "0")]),
    recipe("qcow2-v3-64k-data", Qcow2, &[Create("", "4M"), SCATTERED]),
    recipe(
        "qcow2-v2-64k-data",
        Qcow2,
        &[Create("compat=0.10", "4M"), SCATTERED],
    ),
    recipe(
        "qcow2-v3-512-flat",
        Qcow2,
        &[
            Create("cluster_size=512", "20k"),
            Write(&["write -P 1 0 512", "write -P 1 10k 512"]),
        ],
    ),
    recipe(
        "qcow2-v2-512-flat",
        Qcow2,
        &[
            Create("cluster_size=512,compat=0.10", "20k"),
            Write(&["write -P 1 19k 1k"]),
        ],
    ),
    recipe(
        "qcow2-512-many-l2-tables",
        Qcow2,
        &[
            Create("cluster_size=512", "256k"),
            Write(&[
                "write -P 1 0 512",
                "write -P 1 33k 512",
                "write -P 1 65k 512",
                "write -P 1 97k 1k",
                "write -P 1 129k 512",
                "write -P 1 200k 512",
                "write -P 1 255k 1k",
            ]),
        ],
    ),
    recipe(
        "qcow2-4k-data",
        Qcow2,
        &[
            Create("cluster_size=4k", "4M"),
            Write(&[
                "write -P 1 8k 12k",
                "write -P 1 2M 4k",
                "write -P 1 4092k 4k",
            ]),
        ],
    ),
    recipe(
        "qcow2-2m-data",
        Qcow2,
        &[
            Create("cluster_size=2M", "64M"),
            Write(&["write -P 1 2M 2M", "write -P 1 62M 2M"]),
        ],
    ),
    recipe(
        "qcow2-1g-mostly-empty",
        Qcow2,
        &[
            Create("", "1G"),
            Write(&["write -P 1 0 64k", "write -P 1 1000M 64k"]),
        ],
    ),
    recipe(
        "qcow2-size-not-of-clusters",
        Qcow2,
        &[Create("", "100352"), Write(&["write -P 1 64k 32k"])],
    ),
    recipe(
        "qcow2-refcounts-of-1-bit",
        Qcow2,
        &[Create("refcount_bits=1", "4M"), SCATTERED],
    ),
    recipe(
        "qcow2-refcounts-of-64-bits",
        Qcow2,
        &[Create("refcount_bits=64", "4M"), SCATTERED],
    ),
    recipe(
        "qcow2-zero-clusters",
        Qcow2,
        &[
            Create("", "4M"),
            SCATTERED,
            Write(&["write -z 0 64k", "write -z -u 1M 64k", "write -z 2M 256k"]),
        ],
    ),
    recipe(
        "qcow2-discarded",
        Qcow2,
        &[
            Create("", "4M"),
            SCATTERED,
            Write(&["discard 1M 64k", "discard 3968k 64k"]),
        ],
    ),
    recipe(
        "qcow2-compressed",
        Qcow2,
        &[
            SCATTERED_SOURCE,
            QemuImg(&["convert", "-c", "-O", "qcow2", "source.raw", "image"]),
        ],
    ),
    recipe(
        "qcow2-compressed-zstd",
        Qcow2,
        &[
            SCATTERED_SOURCE,
            QemuImg(&[
                "convert",
                "-c",
                "-O",
                "qcow2",
                "-o",
                "compression_type=zstd",
                "source.raw",
                "image",
            ]),
        ],
    ),
    recipe(
        "qcow2-compressed-4k",
        Qcow2,
        &[
            SCATTERED_SOURCE,
            QemuImg(&[
                "convert",
                "-c",
                "-O",
                "qcow2",
                "-o",
                "cluster_size=4k",
                "source.raw",
                "image",
            ]),
        ],
    ),
    recipe(
        "qcow2-compressed-and-written",
        Qcow2,
        &[
            SCATTERED_SOURCE,
            QemuImg(&["convert", "-c", "-O", "qcow2", "source.raw", "image"]),
            Write(&["write -P 4 0 64k", "write -P 5 2M 64k"]),
        ],
    ),
    recipe(
        "qcow2-extended-l2-64k",
        Qcow2,
        &[
            Create("extended_l2=on", "4M"),
            Write(&[
                "write -P 1 0 2k",
                "write -P 1 6k 4k",
                "write -P 1 1M 64k",
                "write -z 1030k 6k",
                "write -z 2M 64k",
                "write -P 1 3070k 4k",
            ]),
        ],
    ),
    recipe(
        "qcow2-extended-l2-16k",
        Qcow2,
        &[
            Create("extended_l2=on,cluster_size=16k", "4M"),
            Write(&[
                "write -P 1 512 512",
                "write -P 1 20k 1k",
                "write -z 16k 1k",
                "write -P 1 1M 16k",
            ]),
        ],
    ),
    recipe(
        "qcow2-extended-l2-preallocated",
        Qcow2,
        &[
            Create("extended_l2=on,preallocation=metadata", "1M"),
            Write(&["write -P 1 100k 10k"]),
        ],
    ),
    recipe(
        "qcow2-snapshots",
        Qcow2,
        &[
            Create("", "4M"),
            SCATTERED,
            QemuImg(&["snapshot", "-c", "first", "image"]),
            Write(&["write -P 4 0 64k", "write -P 4 2M 64k"]),
            QemuImg(&["snapshot", "-c", "second", "image"]),
        ],
    ),
    recipe(
        "qcow2-backing-file",
        Qcow2,
        &[
            QemuImg(&["create", "-q", "-f", "qcow2", "base.qcow2", "4M"]),
            QemuImg(&[
                "create",
                "-q",
                "-f",
                "qcow2",
                "-b",
                "base.qcow2",
                "-F",
                "qcow2",
                "image",
            ]),
            SCATTERED,
        ],
    ),
    recipe(
        "qcow2-v2-backing-file",
        Qcow2,
        &[
            QemuImg(&["create", "-q", "-f", "raw", "base.raw", "4M"]),
            QemuImg(&[
                "create",
                "-q",
                "-f",
                "qcow2",
                "-o",
                "compat=0.10",
                "-b",
                "base.raw",
                "-F",
                "raw",
                "image",
            ]),
            SCATTERED,
        ],
    ),
    recipe(
        "qcow2-bitmaps",
        Qcow2,
        &[
            Create("", "4M"),
            QemuImg(&["bitmap", "--add", "image", "one"]),
            QemuImg(&["bitmap", "--add", "-g", "4k", "image", "two"]),
            SCATTERED,
        ],
    ),
    recipe(
        "qcow2-external-data",
        Qcow2,
        &[Create("data_file=data.raw", "4M"), SCATTERED],
    ),
    recipe(
        "qcow2-external-data-raw",
        Qcow2,
        &[
            Create("data_file=data.raw,data_file_raw=on", "4M"),
            SCATTERED,
        ],
    ),
    recipe(
        "qcow2-lazy-refcounts",
        Qcow2,
        &[Create("lazy_refcounts=on", "4M"), SCATTERED],
    ),
    recipe(
        "qcow2-preallocated-metadata",
        Qcow2,
        &[Create("preallocation=metadata", "1M")],
    ),
    recipe(
        "qcow2-grown",
        Qcow2,
        &[
            Create("cluster_size=512", "20k"),
            Write(&["write -P 1 0 1k"]),
            QemuImg(&["resize", "-q", "image", "200k"]),
        ],
    ),
    recipe(
        "qcow2-luks",
        Qcow2,
        &[QemuImg(&[
            "create",
            "-q",
            "--object",
            "secret,id=s,data=x",
            "-f",
            "qcow2",
            "-o",
            "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10",
            "image",
            "4M",
        ])],
    ),
    recipe("vmdk-sparse-empty", Vmdk, &[Create("", "1M")]),
    recipe("vmdk-sparse-data", Vmdk, &[Create("", "4M"), SCATTERED]),
    recipe(
        "vmdk-sparse-several-tables",
        Vmdk,
        &[
            Create("", "100M"),
            Write(&[
                "write -P 1 0 64k",
                "write -P 1 40M 64k",
                "write -P 1 99M 64k",
            ]),
        ],
    ),
    recipe(
        "vmdk-sparse-large-directory",
        Vmdk,
        &[
            Create("", "2G"),
            Write(&["write -P 1 0 64k", "write -P 1 2000M 64k"]),
        ],
    ),
    recipe(
        "vmdk-size-not-of-grains",
        Vmdk,
        &[Create("", "100352"), Write(&["write -P 1 64k 32k"])],
    ),
    recipe(
        "vmdk-zeroed-grains",
        Vmdk,
        &[
            Create("zeroed_grain=on", "4M"),
            SCATTERED,
            Write(&["write -z 0 64k", "write -z 2M 128k"]),
        ],
    ),
    recipe(
        "vmdk-compat6",
        Vmdk,
        &[Create("compat6=on,adapter_type=lsilogic", "4M"), SCATTERED],
    ),
    recipe(
        "vmdk-backing-file",
        Vmdk,
        &[
            QemuImg(&["create", "-q", "-f", "vmdk", "base.vmdk", "4M"]),
            QemuImg(&[
                "create",
                "-q",
                "-f",
                "vmdk",
                "-b",
                "base.vmdk",
                "-F",
                "vmdk",
                "image",
            ]),
            SCATTERED,
        ],
    ),
    recipe(
        "vmdk-stream-optimized",
        Vmdk,
        &[
            SCATTERED_SOURCE,
            QemuImg(&[
                "convert",
                "-O",
                "vmdk",
                "-o",
                "subformat=streamOptimized",
                "source.raw",
                "image",
            ]),
        ],
    ),
    recipe(
        "vmdk-stream-optimized-several-tables",
        Vmdk,
        &[
            Source(
                "80M",
                &[
                    "write -P 1 0 64k",
                    "write -P 1 40M 64k",
                    "write -P 1 79M 1M",
                ],
            ),
            QemuImg(&[
                "convert",
                "-O",
                "vmdk",
                "-o",
                "subformat=streamOptimized",
                "source.raw",
                "image",
            ]),
        ],
    ),
    recipe(
        "vmdk-stream-optimized-empty",
        Vmdk,
        &[
            Source("1M", &[]),
            QemuImg(&[
                "convert",
                "-O",
                "vmdk",
                "-o",
                "subformat=streamOptimized",
                "source.raw",
                "image",
            ]),
        ],
    ),
    recipe("vhd-dynamic-empty", Vhd, &[Create("", "4M")]),
    recipe("vhd-dynamic-of-size-0", Vhd, &[Create("", "0")]),
    recipe(
        "vhd-dynamic-data",
        Vhd,
        &[
            Create("", "16M"),
            Write(&[
                "write -P 1 0 64k",
                "write -P 1 9M 64k",
                "write -P 1 15M 64k",
            ]),
        ],
    ),
    recipe(
        "vhd-dynamic-full",
        Vhd,
        &[Create("force_size=on", "4M"), Write(&["write -P 1 0 4M"])],
    ),
    recipe(
        "vhd-dynamic-forced-size",
        Vhd,
        &[
            Create("force_size=on", "5000192"),
            Write(&["write -P 1 4M 64k"]),
        ],
    ),
    recipe(
        "vhd-dynamic-2g",
        Vhd,
        &[
            Create("", "2G"),
            Write(&["write -P 1 0 64k", "write -P 1 2000M 64k"]),
        ],
    ),
    recipe(
        "vhd-fixed-flat",
        Vhd,
        &[
            Create("subformat=fixed,force_size=on", "2k"),
            Write(&["write -P 1 0 512"]),
        ],
    ),
    recipe(
        "vhd-fixed",
        Vhd,
        &[
            Create("subformat=fixed", "4M"),
            Write(&["write -P 1 0 64k"]),
        ],
    ),
    recipe("vhdx-empty", Vhdx, &[Create("", "4M")]),
    // qemu-img gives it a table of a million entries (more with larger blocks): of zeroes, here.
    recipe(
        "vhdx-of-size-0",
        Vhdx,
        &[Create("block_state_zero=off,block_size=1M", "0")],
    ),
    recipe(
        "vhdx-data",
        Vhdx,
        &[
            Create("", "20M"),
            Write(&["write -P 1 0 64k", "write -P 1 19M 64k"]),
        ],
    ),
    recipe(
        "vhdx-1m-blocks",
        Vhdx,
        &[
            Create("block_size=1M", "16M"),
            Write(&["write -P 1 0 64k", "write -P 1 5M 2M", "write -P 1 15M 1M"]),
        ],
    ),
    recipe(
        "vhdx-1m-blocks-many",
        Vhdx,
        &[
            Create("block_size=1M,block_state_zero=off", "5G"),
            Write(&["write -P 1 0 64k", "write -P 1 5119M 64k"]),
        ],
    ),
    recipe("vhdx-256m-blocks", Vhdx, &[Create("block_size=256M", "1G")]),
    recipe(
        "vhdx-long-log",
        Vhdx,
        &[Create("log_size=3M", "4M"), Write(&["write -P 1 0 64k"])],
    ),
    recipe(
        "vhdx-no-zero-blocks",
        Vhdx,
        &[
            Create("block_state_zero=off", "4M"),
            Write(&["write -P 1 0 64k"]),
        ],
    ),
    recipe(
        "vhdx-fixed",
        Vhdx,
        &[Create(
            "subformat=fixed,block_size=1M,block_state_zero=off",
            "4M",
        )],
    ),
    recipe("vhdx-100g", Vhdx, &[Create("block_state_zero=off", "100G")]),
];
