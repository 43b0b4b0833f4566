//! An image and the backing files behind it, as `qemu-img measure` follows them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::num::NonZeroU64;

use anyhow::{Context as _, Result, ensure};
use shared::AllocationSummary;

use super::backing;
use super::formats;
use super::layer::{self, Layer};
use super::shown;
use super::source::{Scanned, Source};

/// The most images that a chain may have.
const MAX_IMAGES: usize = 200;

/// The size of the sectors that tables are scanned in, in bytes. No answer depends on it.
const SECTOR_SIZE: u32 = 4096;

/// An image and the backing files behind it; at least the image.
#[derive(Debug)]
pub struct Chain {
    /// The top image comes first.
    images: Vec<Image>,
}

/// An image whose tables a scanner has verified.
#[derive(Debug)]
struct Image {
    source: Source,
    scanned: Scanned,
}

impl Chain {
    /// The image alone, without its backing file.
    ///
    /// # Errors
    /// The scanner's reason.
    pub fn own_layer(top: Source) -> Result<Self> {
        let images = vec![Image::new(top)?];
        Ok(Self { images })
    }

    /// The image and all backing files behind it. Only regular files are opened.
    ///
    /// # Errors
    /// When one of them cannot be opened or scanned, comes twice, or there are more than 200 images.
    /// The message names the file.
    pub fn follow(top: Source) -> Result<Self> {
        let mut seen = BTreeSet::from([top.image.identity()?]);
        let mut chain = Self::own_layer(top)?;
        while let Some(image) = chain.images.last()
            && let Some(name) = image.scanned.tables.backing_name(&image.source.image)?
        {
            let base = image.open_base(&name, &mut seen).with_context(|| {
                format!(
                    "{}: its backing file {} (--own-layer measures without it)",
                    shown(&image.source.image.path),
                    shown(name.as_ref())
                )
            })?;
            chain.images.push(base);
        }
        Ok(chain)
    }

    /// The top image, and what its scanner found.
    #[must_use]
    pub fn top(&self) -> (&Source, &Scanned) {
        let top = &self.images[0];
        (&top.source, &top.scanned)
    }

    /// The size of the disk in bytes, in whole sectors of 512 as in QEMU.
    #[must_use]
    pub fn virtual_size(&self) -> u64 {
        self.images[0].virtual_size()
    }

    /// Adds up the data of the disk; counts the units of `unit` bytes that it touches, when given.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn summary(&self, unit: Option<NonZeroU64>) -> Result<AllocationSummary> {
        let layers = self.images.iter().map(Image::layer);
        layer::tally(&mut layers.collect::<Result<Vec<_>>>()?, unit)
    }
}

impl Image {
    fn new(source: Source) -> Result<Self> {
        let scanned = source.scan(SECTOR_SIZE, |_| None)?;
        Ok(Self { source, scanned })
    }

    const fn virtual_size(&self) -> u64 {
        self.scanned.summary.virtual_size / 512 * 512
    }

    fn layer(&self) -> Result<Layer<'_>> {
        let (image, tables) = (&self.source.image, &self.scanned.tables);
        let follows_holes = tables
            .follows_holes(image)
            .with_context(|| shown(&image.path))?;
        Ok(Layer {
            size: self.virtual_size(),
            map: tables.map(&image.file),
            extents: follows_holes.then(|| image.extents()),
        })
    }

    /// Opens the backing file called `name`. `seen` are the files of the chain so far.
    fn open_base(&self, name: &OsStr, seen: &mut BTreeSet<(u64, u64)>) -> Result<Self> {
        let path = backing::path(&self.source.image.path, name)?;
        let format = self.scanned.tables.backing_format(&self.source.image)?;
        let format = format.map(|name| {
            let mut all = formats::ALL.into_iter();
            all.find(|format| format.qemu_name() == name)
                .with_context(|| format!("its format is {name:?}, which is not known here"))
        });
        let base = Source::open_backing_file(&path, format.transpose()?)?;
        ensure!(
            seen.insert(base.image.identity()?),
            "the chain comes back to this file"
        );
        ensure!(
            seen.len() <= MAX_IMAGES,
            "the chain has more than {MAX_IMAGES} images"
        );
        Self::new(base)
    }
}
