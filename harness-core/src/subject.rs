//! The code under test, behind traits.
//!
//! The harness never names the calculators or scanners that it tests: it is handed a [`Subject`]. A
//! disk-image library is a [`Library`](crate::Library), or implements [`Calculators`], or both, and gets every
//! target, check and tool: `subjects/example` shows it. [`Scanner`] is for those who read through a call table with
//! caches, as `subjects/built-in` does for this workspace's own crates.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::OnceLock;

pub use crate::device::MockDevice;
pub use crate::judgement::Judgement;
use crate::library::Reader;
pub use shared::{CallTable, DataTally};
pub use types::{
    AllocationSummary, Facts, FileFormats, MeasureError, MeasureOutput, Measured, Options,
    ScanError, ScanErrorKind, ScanFormat,
};
use worker::known::IGNORE_VARIABLE;
use worker::protocol::JUDGE_VARIABLE;

/// Answers how large an image would be. All sizes are in bytes.
pub trait Calculators: Sync {
    /// The size of an image of the format of `options`. Must be total: an answer or an error for every
    /// argument, never a panic.
    fn measure(&self, summary: &AllocationSummary, options: &Options) -> Measured;

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

    /// Whether the sizes are those of files that a writer of its own makes, and not QEMU's: then only invariants and
    /// relations judge them.
    fn has_own_sizes(&self) -> bool {
        false
    }

    /// The format or feature among these options that the library does not have: then the question is not judged.
    fn not_supported(&self, _options: &Options) -> Option<&'static str> {
        None
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

/// How much of a virtual disk holds data, or why there is no answer.
pub type Scan = Result<AllocationSummary, Refusal>;

/// Why a library gives no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// One of the model's errors.
    Error(ScanError),
    /// An error of the library's own.
    Words {
        /// Its kind, if the library knows one of these.
        kind: Option<ScanErrorKind>,
        /// What the library writes.
        words: String,
    },
    /// The library does not have this format or feature, by its name: then the input is not judged.
    NotSupported(String),
}

impl Refusal {
    /// An error without a kind, in a library's own words.
    #[must_use]
    pub fn words(words: impl fmt::Display) -> Self {
        Self::Words {
            kind: None,
            words: words.to_string(),
        }
    }

    /// The library does not have this format or feature.
    #[must_use]
    pub fn not_supported(feature: impl Into<String>) -> Self {
        Self::NotSupported(feature.into())
    }

    /// The library does not have the format of this name. Of this a replay does not warn.
    pub(crate) fn format(name: &str) -> Self {
        Self::NotSupported(format!("{}{name}", worker::target::THE_FORMAT))
    }

    /// The model's error that it is, if it is one.
    #[must_use]
    pub fn error(&self) -> Option<ScanError> {
        match self {
            Self::Error(error) => Some(*error),
            _ => None,
        }
    }

    /// The kind of the error, when it has one.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> Option<ScanErrorKind> {
        match self {
            Self::Error(error) => Some((*error).into()),
            Self::Words { kind, .. } => *kind,
            Self::NotSupported(_) => None,
        }
    }
}

/// A [`ScanError`] stays one, and another error becomes its words.
impl<E: std::error::Error + 'static> From<E> for Refusal {
    #[inline]
    fn from(error: E) -> Self {
        let known = (&error as &dyn std::error::Error).downcast_ref();
        known.map_or_else(|| Self::words(&error), |known| Self::Error(*known))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Words { words, .. } => f.write_str(words),
            Self::NotSupported(feature) => write!(f, "not supported: {feature}"),
        }
    }
}

/// What a scanner answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanAnswer {
    /// The scan's answer.
    pub result: Scan,
    /// The second scan's answer, when one was asked for and there is a state to scan with. A scanner
    /// without a state just scans again.
    pub again: Option<Scan>,
    /// The bytes that the scanner states it read; `None` when it states nothing (it gave up before it
    /// had a state that counts).
    pub bytes_read: Option<u64>,
}

/// A refusal before there was a state.
impl From<Refusal> for ScanAnswer {
    fn from(refusal: Refusal) -> Self {
        Self {
            result: Err(refusal),
            again: None,
            bytes_read: None,
        }
    }
}

/// Answers how much of an image holds data.
pub trait Scanner: Sync {
    /// Scans the image. Must be total: an answer or an error for every image, never a panic.
    fn scan(&self, request: ScanRequest<'_>) -> ScanAnswer;

    /// Scans an image of the harness, which `request` reads by its call table. A library that reads files opens
    /// [`MockDevice::file`] instead.
    fn scan_device(&self, _device: &MockDevice<'_>, request: ScanRequest<'_>) -> ScanAnswer {
        self.scan(request)
    }

    /// What the image states about itself; asked only when a scan has an answer, or is refused for a parent that the
    /// image names. `None` from a library that does not say.
    ///
    /// # Errors
    /// Why this image states nothing that can be understood.
    fn facts(&self, _request: ScanRequest<'_>) -> Result<Option<Facts>, Refusal> {
        Ok(None)
    }

    /// How it reads the disk; `None` from a library that does not.
    fn reader(&self) -> Option<Reader> {
        None
    }

    /// The formats that it scans; without any, the targets that scan are left out.
    fn formats(&self) -> &[ScanFormat] {
        &ScanFormat::ALL
    }

    /// What it can be held to at all.
    fn judgeable(&self) -> Judgement {
        Judgement::ALL.without(Judgement::CONTENT)
    }
}

/// The formats of a file, none for a raw one; or why there is no answer.
pub type Detection = Result<FileFormats, Refusal>;

/// Answers which formats a file is of.
pub trait Detector: Sync {
    /// The formats of the file on `device`. Must be total: an answer for every file whose reads do not fail.
    fn detect(&self, device: &MockDevice<'_>) -> Detection;

    /// Parses the descriptor of a VMDK and writes it anew from what was understood: see
    /// [`model::detect::descriptor`]. `None` from a library that does not.
    fn descriptor(&self, _text: &[u8]) -> Option<Result<String, usize>> {
        None
    }
}

/// The part of a subject that is not there.
#[derive(Debug, Clone, Copy)]
pub struct Missing;

impl Calculators for Missing {
    fn measure(&self, _summary: &AllocationSummary, _options: &Options) -> Measured {
        Err(MeasureError::InvalidOption)
    }
    fn not_supported(&self, options: &Options) -> Option<&'static str> {
        Some(options.name())
    }
}

impl Scanner for Missing {
    fn scan(&self, request: ScanRequest<'_>) -> ScanAnswer {
        Refusal::format(request.format.name()).into()
    }
    fn formats(&self) -> &[ScanFormat] {
        &[]
    }
}

/// The code under test.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The path of this value in Rust: a failure's case is printed as a call of it.
    pub path: &'static str,
    /// What is behind `fuzz_measure_calc`, and takes what scans of `fuzz_measure_image` answer.
    pub calculators: &'a dyn Calculators,
    /// What is behind `fuzz_measure_scan` and `fuzz_measure_image`.
    pub scanner: &'a dyn Scanner,
    /// What is behind `fuzz_measure_detect`; without it, that target is left out.
    pub detector: Option<&'a dyn Detector>,
    /// What it is held to.
    pub judgement: Judgement,
    /// Findings that are accepted for now, as TOML: see [`worker::known`].
    pub known: &'static str,
}

impl<'a> Subject<'a> {
    /// A subject without a part, whose wrong values are findings and nothing else is. `path` is the path of this
    /// value, as in `"subject::SUBJECT"`.
    #[must_use]
    pub const fn new(path: &'static str) -> Self {
        Self {
            path,
            calculators: &Missing,
            scanner: &Missing,
            detector: None,
            judgement: Judgement::VALUES,
            known: "",
        }
    }

    /// The same with a scanner, which a [`Library`](crate::Library) is.
    #[must_use]
    pub const fn with_scanner(self, scanner: &'a dyn Scanner) -> Self {
        Self { scanner, ..self }
    }

    /// The same with calculators.
    #[must_use]
    pub const fn with_calculators(self, calculators: &'a dyn Calculators) -> Self {
        Self {
            calculators,
            ..self
        }
    }

    /// The same with a detector of formats.
    #[must_use]
    pub const fn with_detector(self, detector: &'a dyn Detector) -> Self {
        Self {
            detector: Some(detector),
            ..self
        }
    }

    /// The same, held to this, and to right values in any case.
    #[must_use]
    pub const fn held_to(self, judgement: Judgement) -> Self {
        Self {
            judgement: judgement.and(Judgement::VALUES),
            ..self
        }
    }

    /// The same, with findings that are accepted for now: the text of a `known.toml`, see [`worker::known`].
    #[must_use]
    pub const fn with_known(self, known: &'static str) -> Self {
        Self { known, ..self }
    }

    /// The same, held to what the environment asks for (see [`JUDGE_VARIABLE`]), as far as that can be. From now on,
    /// cases in this process are printed as calls of this subject, and its known findings are known unless
    /// [`IGNORE_VARIABLE`] is set.
    ///
    /// # Errors
    /// When the environment asks for what there is not, or the list of known findings cannot be read.
    pub fn from_environment(self) -> Result<Self, String> {
        PATH.get_or_init(|| self.path);
        if std::env::var_os(IGNORE_VARIABLE).is_none() {
            worker::known::set(self.known)?;
        }
        let judgement = match std::env::var(JUDGE_VARIABLE) {
            Ok(names) => Judgement::parse(&names)?,
            Err(_) => self.judgement,
        };
        let judgement = judgement.within(self.scanner.judgeable());
        Ok(self.held_to(if worker::memory::is_counted() {
            judgement
        } else {
            judgement.without(Judgement::MEMORY)
        }))
    }
}

/// The path of the subject that this process serves.
static PATH: OnceLock<&'static str> = OnceLock::new();

/// The path of the subject, for a case as Rust.
pub(crate) fn path() -> &'static str {
    PATH.get().copied().unwrap_or("built_in::SUBJECT")
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path)
    }
}
