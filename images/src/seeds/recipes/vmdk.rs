//! VMDK: sparse and stream-optimized extents.

use super::Step::{Create, QemuImg, Source, Write};
use super::{Recipe, SCATTERED, SCATTERED_SOURCE, recipe};
use crate::format::ImageFormat::Vmdk;

pub(super) const RECIPES: &[Recipe] = &[
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
];
