//! VHD: dynamic and fixed disks.

use super::Step::{Create, Write};
use super::{Recipe, recipe};
use crate::format::ImageFormat::Vhd;

pub(super) const RECIPES: &[Recipe] = &[
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
];
