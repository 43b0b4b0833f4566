//! The code under test, behind two traits.
//!
//! The harness never names the calculators or scanners that it tests: it is handed a [`Subject`].
//! [`BUILT_IN`] is this workspace's own; another disk-image library implements [`Calculators`] and
//! [`Scanner`] and gets every target, check and tool. `examples/other-subject` does so.

use std::num::NonZeroU64;
use std::ops::Range;

use measure::{MeasureError, MeasureOutput, Qcow2Opts, VhdOpts, VhdxOpts, VmdkOpts};
use shared::{AllocationSummary, CallTable, ScanError};

use crate::options::Options;

/// A calculator's answer.
pub type Measured = Result<MeasureOutput, MeasureError>;

/// Answers how large an image would be. All sizes are in bytes.
///
/// Each method must be total: an answer or an error for every argument, never a panic.
pub trait Calculators: Sync {
    /// The size of a raw image.
    fn measure_raw(&self, summary: &AllocationSummary) -> Measured;
    /// The size of a qcow2 image.
    fn measure_qcow2(&self, summary: &AllocationSummary, opts: &Qcow2Opts) -> Measured;
    /// The size of a VMDK image.
    fn measure_vmdk(&self, summary: &AllocationSummary, opts: &VmdkOpts) -> Measured;
    /// The size of a VHD image.
    fn measure_vhd(&self, summary: &AllocationSummary, opts: &VhdOpts) -> Measured;
    /// The size of a VHDX image.
    fn measure_vhdx(&self, summary: &AllocationSummary, opts: &VhdxOpts) -> Measured;

    /// The unit in bytes in which a disk's data are to be counted for these options. `None` from a
    /// library that does not say, and for raw.
    fn unit(&self, _options: &Options, _virtual_size: u64) -> Option<u64> {
        None
    }

    /// The size in bytes of the LUKS header in a qcow2 image, for a key of so many bytes, of which XTS
    /// takes two. `None` from a library that does not say.
    fn luks_payload(&self, _key_bytes: u32, _xts: bool) -> Option<u64> {
        None
    }
}

/// A format that has a scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// Every format, in the order of the selector byte of `fuzz_measure_scan`.
    pub const ALL: [Self; 4] = [Self::Qcow2, Self::Vmdk, Self::Vhd, Self::Vhdx];

    /// The format's name: `qcow2`, `vmdk`, `vhd` or `vhdx`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
        }
    }
}

/// What a scanner is asked: an image on a device.
#[derive(Debug)]
pub struct ScanRequest<'a> {
    /// The image's format.
    pub format: ScanFormat,
    /// How to read the image.
    pub calls: CallTable<'a>,
    /// The index of the device that holds the image; no other may be read.
    pub device: u32,
    /// Two buffers of at least one sector each, with arbitrary content.
    pub caches: [&'a mut [u8]; 2],
    /// Count the units of this many bytes that hold data, when given.
    pub unit: Option<NonZeroU64>,
    /// Scan once more with the same state, which must not have suffered from the first scan.
    pub twice: bool,
}

/// What a scanner answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanAnswer {
    /// How much of the virtual disk holds data, or why that cannot be said.
    pub result: Result<AllocationSummary, ScanError>,
    /// The second scan's answer, when one was asked for and there is a state to scan with. A scanner
    /// without a state just scans again.
    pub again: Option<Result<AllocationSummary, ScanError>>,
    /// The bytes that the scanner says it read; `None` when it says nothing (it gave up before it
    /// had a state that counts).
    pub bytes_read: Option<u64>,
}

/// Why a scan gave no answer: the kind of a [`ScanError`], without its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScanErrorKind {
    /// The image is of another format.
    NotThisFormat,
    /// The image uses a feature that the scanner does not know.
    Unsupported,
    /// The image contradicts its specification.
    Corrupt,
    /// The device failed to read a sector.
    Io,
    /// The caller's mistake.
    InvalidArgument,
}

impl From<ScanError> for ScanErrorKind {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::NotThisFormat => Self::NotThisFormat,
            ScanError::Unsupported(_) => Self::Unsupported,
            ScanError::Corrupt(_) => Self::Corrupt,
            ScanError::Io { .. } => Self::Io,
            ScanError::InvalidArgument(_) => Self::InvalidArgument,
        }
    }
}

/// What a sound image says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The size of the virtual disk, in bytes.
    pub virtual_size: u64,
    /// The size of a cluster, grain or block, in bytes; `None` for a fixed VHD.
    pub unit: Option<u64>,
    /// The size of a sector of the virtual disk, in bytes, for VHDX.
    pub logical_sector_size: Option<u32>,
    /// Whether grains are compressed, for VMDK.
    pub is_compressed: Option<bool>,
    /// The bytes of the file that hold the name of the backing file (qcow2), or the descriptor (VMDK).
    pub named: Option<Range<u64>>,
}

/// Answers how much of an image holds data.
pub trait Scanner: Sync {
    /// Scans the image. Must be total: an answer or an error for every image, never a panic.
    fn scan(&self, request: ScanRequest<'_>) -> ScanAnswer;

    /// What the image says of itself; asked only when a scan has an answer. `None` from a library that
    /// does not say.
    fn facts(&self, _request: ScanRequest<'_>) -> Option<Facts> {
        None
    }
}

/// The code under test.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// What is behind `fuzz_measure_calc`, and takes what scans of `fuzz_measure_image` answer.
    pub calculators: &'a dyn Calculators,
    /// What is behind `fuzz_measure_scan` and `fuzz_measure_image`.
    pub scanner: &'a dyn Scanner,
}

impl std::fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subject")
    }
}

/// The subject of this workspace: `crates/measure` and the scanners beside it.
pub static BUILT_IN: Subject<'static> = Subject {
    calculators: &BuiltIn,
    scanner: &BuiltIn,
};

/// This workspace's own calculators and scanners, for a subject that replaces some of them.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn;

impl Calculators for BuiltIn {
    fn measure_raw(&self, summary: &AllocationSummary) -> Measured {
        measure::measure_raw(summary)
    }
    fn measure_qcow2(&self, summary: &AllocationSummary, opts: &Qcow2Opts) -> Measured {
        measure::measure_qcow2(summary, opts)
    }
    fn measure_vmdk(&self, summary: &AllocationSummary, opts: &VmdkOpts) -> Measured {
        measure::measure_vmdk(summary, opts)
    }
    fn measure_vhd(&self, summary: &AllocationSummary, opts: &VhdOpts) -> Measured {
        measure::measure_vhd(summary, opts)
    }
    fn measure_vhdx(&self, summary: &AllocationSummary, opts: &VhdxOpts) -> Measured {
        measure::measure_vhdx(summary, opts)
    }
    fn unit(&self, options: &Options, virtual_size: u64) -> Option<u64> {
        match options {
            Options::Raw => None,
            Options::Qcow2(opts) => Some(opts.unit()),
            Options::Vmdk(opts) => Some(opts.unit()),
            Options::Vhd(opts) => Some(opts.unit()),
            Options::Vhdx(opts) => Some(opts.unit(virtual_size)),
        }
    }
    fn luks_payload(&self, key_bytes: u32, xts: bool) -> Option<u64> {
        Some(measure::luks_payload(key_bytes, xts))
    }
}

/// Initialises a state and scans with it.
macro_rules! scan_with {
    ($state:ty, $request:ident, $scan:expr) => {{
        let [first, second] = $request.caches;
        match <$state>::init($request.calls, $request.device, first, second) {
            Ok(mut state) => ScanAnswer {
                result: $scan(&mut state, $request.unit),
                again: $request.twice.then(|| $scan(&mut state, $request.unit)),
                bytes_read: Some(state.bytes_read()),
            },
            Err(error) => ScanAnswer {
                result: Err(error),
                again: None,
                bytes_read: None,
            },
        }
    }};
}

impl Scanner for BuiltIn {
    fn scan(&self, request: ScanRequest<'_>) -> ScanAnswer {
        match request.format {
            ScanFormat::Qcow2 => scan_with!(
                qcow2::Qcow2State<'_>,
                request,
                |state: &mut qcow2::Qcow2State<'_>, unit| {
                    let virtual_size = state.header().virtual_size;
                    state.scan_allocation(virtual_size, unit)
                }
            ),
            ScanFormat::Vmdk => {
                scan_with!(
                    vmdk::VmdkState<'_>,
                    request,
                    vmdk::VmdkState::scan_allocation
                )
            }
            ScanFormat::Vhd => {
                scan_with!(vhd::VhdState<'_>, request, vhd::VhdState::scan_allocation)
            }
            ScanFormat::Vhdx => {
                scan_with!(
                    vhdx::VhdxState<'_>,
                    request,
                    vhdx::VhdxState::scan_allocation
                )
            }
        }
    }

    fn facts(&self, request: ScanRequest<'_>) -> Option<Facts> {
        let ScanRequest {
            format,
            calls,
            device,
            caches: [first, second],
            ..
        } = request;
        Some(match format {
            ScanFormat::Qcow2 => {
                let state = qcow2::Qcow2State::init(calls, device, first, second).ok()?;
                let header = state.header();
                Facts {
                    virtual_size: header.virtual_size,
                    unit: Some(header.cluster_size()),
                    named: header.backing_file_name(),
                    ..Facts::default()
                }
            }
            ScanFormat::Vmdk => {
                let state = vmdk::VmdkState::init(calls, device, first, second).ok()?;
                let header = state.header();
                Facts {
                    virtual_size: header.virtual_size(),
                    unit: Some(header.grain_size()),
                    is_compressed: Some(header.is_compressed()),
                    named: header.descriptor(),
                    ..Facts::default()
                }
            }
            ScanFormat::Vhd => {
                let state = vhd::VhdState::init(calls, device, first, second).ok()?;
                Facts {
                    virtual_size: state.virtual_size(),
                    unit: state.block_size().map(u64::from),
                    ..Facts::default()
                }
            }
            ScanFormat::Vhdx => {
                let state = vhdx::VhdxState::init(calls, device, first, second).ok()?;
                Facts {
                    virtual_size: state.virtual_size(),
                    unit: Some(state.block_size().into()),
                    logical_sector_size: Some(state.logical_sector_size()),
                    ..Facts::default()
                }
            }
        })
    }
}
