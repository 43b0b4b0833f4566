//! The formats that have a scanner.

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
