//! What to measure for: a calculator with its options, and what qemu-img adds to its answer.

use std::num::NonZeroU64;

use anyhow::{Result, anyhow, bail};
use measure::{MeasureError, MeasureOutput};
use shared::AllocationSummary;
use types::Options as CalcOptions;

use crate::layer::Unit;

/// A base image that the new image is to lie upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    None,
    /// All of the disk may be written: qemu-img does not compare with the base image.
    AllMayBeWritten,
    /// What is copied depends on the base image.
    Unknown,
}

/// What to measure for.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// qemu-img's name of the format.
    pub format: &'static str,
    /// The calculator and its options.
    pub options: CalcOptions,
    /// Bytes that come on top of the calculator's answer.
    pub extra: u64,
    /// The base image.
    pub base: Base,
    /// The cluster size in bytes if dirty bitmaps can be copied to the target.
    pub bitmap_cluster_size: Option<u64>,
    /// What the user should know about the answer.
    pub notes: Vec<&'static str>,
}

impl Target {
    /// The calculator's answer as it is.
    pub(crate) const fn new(format: &'static str, options: CalcOptions) -> Self {
        Self {
            format,
            options,
            extra: 0,
            base: Base::None,
            bitmap_cluster_size: None,
            notes: Vec::new(),
        }
    }

    /// The unit in bytes to count the data of a disk of `virtual_size` bytes in; none for raw.
    pub(crate) fn unit(&self, virtual_size: u64) -> Unit {
        measure::unit(&self.options, virtual_size).and_then(NonZeroU64::new)
    }

    /// How large an empty image of `virtual_size` bytes is. Fails when the format cannot hold so large a disk.
    pub(crate) fn measure_empty(&self, virtual_size: u64) -> Result<MeasureOutput> {
        self.ask(&AllocationSummary::new(virtual_size, 0))
    }

    /// How large an image with the data of another one is. Fails when the format cannot hold so large a disk, or the
    /// answer depends on a base image.
    pub(crate) fn measure_copy(&self, summary: AllocationSummary) -> Result<MeasureOutput> {
        match self.base {
            Base::None => self.ask(&summary),
            Base::AllMayBeWritten => {
                let size = summary.virtual_size;
                self.ask(&raw::scan_allocation(size, self.unit(size)))
            }
            Base::Unknown => bail!("-o backing_file: what is copied depends on the base image"),
        }
    }

    fn ask(&self, summary: &AllocationSummary) -> Result<MeasureOutput> {
        let (format, size) = (self.format, summary.virtual_size);
        let answer = measure::measure(summary, &self.options);
        let answer = answer.map_err(|error| match error {
            MeasureError::InvalidSize => {
                anyhow!("a disk of {size} bytes is larger than {format} can be with these options")
            }
            other => anyhow!("a disk of {size} bytes as {format}: {other}"),
        })?;
        Ok(MeasureOutput {
            required: answer.required + self.extra,
            fully_allocated: answer.fully_allocated + self.extra,
        })
    }
}
