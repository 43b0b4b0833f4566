//! The formats that have a scanner, and all those that a file may be of.

use core::fmt;

/// A format that has a scanner.
///
/// Tables with a row a format are in the order of [`ScanFormat::ALL`]: `TABLE[format as usize]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScanFormat {
    /// qcow2, versions 2 and 3.
    Qcow2,
    /// VMDK sparse extents.
    Vmdk,
    /// VHD, which QEMU calls `vpc`.
    Vhd,
    /// VHDX.
    Vhdx,
}

impl ScanFormat {
    /// How many formats there are: the length of a table with a row a format.
    pub const COUNT: usize = 4;

    /// Every format, in the order of the selector byte of `fuzz_measure_scan`.
    pub const ALL: [Self; Self::COUNT] = [Self::Qcow2, Self::Vmdk, Self::Vhd, Self::Vhdx];

    /// The format's name: `qcow2`, `vmdk`, `vhd` or `vhdx`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        ["qcow2", "vmdk", "vhd", "vhdx"][self as usize]
    }
}

macro_rules! file_formats {
    ($($format:ident $name:literal: $what:literal;)*) => {
        /// A format that a file may be of by its bytes. A file of none is a raw disk.
        ///
        /// Those that have a scanner come first, in the order of [`ScanFormat::ALL`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FileFormat {
            $(#[doc = $what] $format,)*
        }

        impl FileFormat {
            /// Every format.
            pub const ALL: &[Self] = &[$(Self::$format),*];

            /// The format's name, as people write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                [$($name),*][self as usize]
            }
        }
    };
}

file_formats! {
    Qcow2 "qcow2": "qcow2, version 2 or later.";
    Vmdk "vmdk": "VMDK: a sparse extent or a text descriptor.";
    Vhd "vhd": "VHD, which QEMU calls `vpc`.";
    Vhdx "vhdx": "VHDX.";
    Qcow1 "qcow (version 1)": "QEMU's first format.";
    Qed "QED": "QEMU's enhanced disk.";
    Luks "LUKS": "A LUKS volume of any version.";
    Parallels "Parallels": "A disk of Parallels, either magic number.";
    Bochs "Bochs": "A disk of Bochs.";
    Vdi "VDI": "A disk of VirtualBox.";
    Cloop "cloop": "A compressed loop image, version 2.0.";
    Dmg "DMG": "Apple's disk image (UDIF).";
    Gzip "gzip": "A compressed file of any kind.";
    ChangeTracking "VMware's changed block tracking": "What stands in `-ctk.vmdk` beside a disk.";
    SeSparse "VMware's seSparse": "A space-efficient sparse extent, `-sesparse.vmdk`.";
}

impl FileFormat {
    /// The scanner's format, when there is a scanner.
    #[must_use]
    pub fn scanned(self) -> Option<ScanFormat> {
        ScanFormat::ALL.get(self as usize).copied()
    }
}

impl From<ScanFormat> for FileFormat {
    fn from(format: ScanFormat) -> Self {
        Self::ALL[format as usize]
    }
}

/// A set of formats: all that a file is of. A file that is of more than one is taken for one by one reader and for
/// another by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFormats(u16);

impl FileFormats {
    /// None: that of a raw disk.
    pub const EMPTY: Self = Self(0);

    /// The set with `format` too, if it `is` one.
    #[must_use]
    pub const fn with_if(self, format: FileFormat, is: bool) -> Self {
        Self(self.0 | (is as u16) << format as u16)
    }

    /// Whether `format` is among them.
    #[must_use]
    pub const fn has(self, format: FileFormat) -> bool {
        self.0 >> format as u16 & 1 == 1
    }

    /// The formats, in the order of [`FileFormat::ALL`].
    pub fn iter(self) -> impl Iterator<Item = FileFormat> {
        let all = FileFormat::ALL.iter().copied();
        all.filter(move |&format| self.has(format))
    }
}

/// The names, with `+` between them: `qcow2+vhd`, or `raw` for the empty set.
impl fmt::Display for FileFormats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::EMPTY {
            return f.write_str("raw");
        }
        self.iter().enumerate().try_for_each(|(nth, format)| {
            f.write_str(if nth == 0 { "" } else { "+" })?;
            f.write_str(format.name())
        })
    }
}
