//! What the bytes of a recipe mean: one declaration makes the positions, their documentation and a
//! table that can be printed.
//!
//! [`at`] has the bytes that all formats share. Each format declares its geometry and its rare knobs in
//! a module `knobs`: see [`crate::knobs`].

use crate::positional::Positional;

/// The longest recipe, in bytes. What lies behind is ignored.
pub const LENGTH: usize = 192;

/// A recipe's bytes.
pub type Bytes = Positional<LENGTH>;

/// A knob: some bytes of a recipe and what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knob {
    /// The name of the constant that holds its position.
    pub name: &'static str,
    /// The position of its first byte.
    pub at: usize,
    /// How many bytes it has.
    pub length: usize,
    /// What they mean, in Markdown.
    pub meaning: &'static str,
}

/// Declares knobs. Each line makes a constant with the position of the knob's first byte. The constant
/// `LAYOUT` lists all of them, and its documentation is the table of bytes and meanings.
macro_rules! layout {
    (@length $at:literal) => { 1 };
    (@length $at:literal $last:literal) => { $last - $at + 1 };
    ($($at:literal $(..= $last:literal)?, $name:ident: $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $name: usize = $at;
        )*

        /// The knobs, in the order of their positions.
        ///
        /// | bytes | constant | meaning |
        /// |---|---|---|
        $(#[doc = concat!(
            "| ", $at, $("–", $last,)? " | `", stringify!($name), "` | ", $meaning, " |"
        )])*
        pub const LAYOUT: &[$crate::layout::Knob] = &[
            $($crate::layout::Knob {
                name: stringify!($name),
                at: $at,
                length: $crate::layout::layout!(@length $at $($last)?),
                meaning: $meaning,
            },)*
        ];
    };
}

pub(crate) use layout;

/// Declares a format's geometry: its knobs as [`layout!`] does, and the fields of `Geometry` that each of
/// them decodes to.
///
/// The value of a field is an expression of `$bytes`, the recipe; of `$byte`, the knob's first byte; and
/// of the fields above it.
macro_rules! geometry {
    (
        $(#[$about:meta])*
        ($bytes:ident, $byte:ident)
        $(
            $at:literal $(..= $last:literal)?, $name:ident: $meaning:literal
            $(=> $field:ident: $type:ty = $value:expr)*;
        )*
    ) => {
        /// The positions of the knobs. "mod" means that the choices repeat; the first one is what qemu-img
        /// makes.
        pub mod knobs {
            #[allow(unused_imports, reason = "the documentation links to it")]
            use super::*;

            $crate::layout::layout! { $($at $(..= $last)?, $name: $meaning;)* }
        }

        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Geometry { $($(#[doc = $meaning] pub $field: $type,)*)* }

        /// The geometry that a recipe names.
        pub fn geometry(recipe: &$crate::recipe::Recipe) -> Geometry {
            Geometry::decode(recipe.bytes())
        }

        impl Geometry {
            fn decode($bytes: &$crate::layout::Bytes) -> Self {
                $($(
                    let $byte = $bytes.u8($at);
                    let _ = $byte;
                    let $field: $type = $value;
                )*)*
                Self { $($($field,)*)* }
            }

            /// What is not as in the recipe of zeros, in words.
            pub(crate) fn unusual(&self) -> String {
                let usual = Self::decode(&$crate::layout::Bytes::new(&[]));
                let mut words = String::new();
                $($(
                    if self.$field != usual.$field {
                        let name = stringify!($field).replace('_', " ");
                        words += &format!(", {name} {:?}", self.$field);
                    }
                )*)*
                words
            }
        }
    };
}

pub(crate) use geometry;

/// The positions of what all recipes are made of, in bytes.
pub mod at {
    super::layout! {
        0, FORMAT: "bits 0–1 format (qcow2, vmdk, vhd, vhdx), bits 2–5 ignored, bits 6–7 version: 0";
        1, CHECKSUMS: "checksums: bits 0–1 policy (0, 1 all right; 2 one is wrong; 3 left as they fell), bits 2–7 which one and how";
        2, UNIT: "unit to count: 0 none, 1–32 the powers of two from 512 up, else see [`unit_of_selector`](crate::unit_of_selector)";
        3, SIZE_MODE: "how the size is read: bits 0–1 mode, bits 2–5 width (see [`Size::bytes`](crate::Size::bytes))";
        4..=11, SIZE: "the size";
        12..=15, SIZE_TAIL: "bytes of the disk beyond its last whole unit";
        16, DEVICE: "device: bits 0–2 sector size (see [`SECTOR_SIZES`](crate::conditions::SECTOR_SIZES)), bits 3–7 index";
        17, PROBE: "probe: what else is asked about the image (see `harness_core::image`)";
        18..=19, PROBE_ARGUMENT: "the probe's argument";
        20, END_MODE: "the device's end: 0 the file's, else see [`End`](crate::conditions::End)";
        21..=23, END: "where it is then";
        24..=55, GEOMETRY: "geometry, by format: see [`knobs`](crate::knobs)";
        56..=119, RUNS: "sixteen runs of units of 4 bytes: see [`runs`](crate::runs)";
        120..=151, DAMAGES: "four damages of 8 bytes: see [`damage`](crate::damage)";
        152..=191, RARE: "rare knobs, by format";
    }
}
