//! VHDX: block sizes, logs, and what qemu-img leaves empty.

use super::Step::{Create, Write};
use super::{Recipe, recipe};
use crate::format::ImageFormat::Vhdx;

pub(super) const RECIPES: &[Recipe] = &[
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
