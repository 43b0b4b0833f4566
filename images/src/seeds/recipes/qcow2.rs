//! qcow2: versions, cluster sizes, and the many ways in which a cluster does or does not hold data.

use super::Step::{Create, QemuImg, Write};
use super::{Recipe, SCATTERED, SCATTERED_SOURCE, recipe};
use crate::format::ImageFormat::Qcow2;

pub(super) const RECIPES: &[Recipe] = &[
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
];
