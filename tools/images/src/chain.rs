//! An image and the backing files behind it, as `qemu-img measure` follows them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use shared::AllocationSummary;

use super::formats;
use super::layer::{self, Layer, Scanned, Unit};
use super::shown;
use super::source::Source;

/// The most images that a chain may have.
const MAX_IMAGES: usize = 200;

/// The size of the sectors that tables are scanned in, in bytes. No answer depends on it.
const SECTOR_SIZE: u32 = 4096;

/// An image and the backing files behind it.
pub(crate) struct Chain {
    /// Images whose tables a scanner has verified, at least one. The top image comes first.
    pub images: Vec<(Source, Scanned)>,
}

impl Chain {
    /// The image alone, without its backing file.
    pub(crate) fn own_layer(top: Source) -> Result<Self> {
        let scanned = top.scan(SECTOR_SIZE, None)?;
        Ok(Self {
            images: vec![(top, scanned)],
        })
    }

    /// The image and all backing files behind it. Only regular files are opened. Fails when one of them cannot be
    /// opened or scanned, comes twice, or there are more than 200 images. The message names the file.
    pub(crate) fn follow(top: Source) -> Result<Self> {
        let mut seen = BTreeSet::from([top.image.identity()?]);
        let mut chain = Self::own_layer(top)?;
        while let Some((source, scanned)) = chain.images.last()
            && let Some(name) = scanned.tables.backing_name(&source.image)?
        {
            let base = open_base(source, scanned, &name, &mut seen).with_context(|| {
                format!(
                    "{}: its backing file {} (--own-layer measures without it)",
                    shown(&source.image.path),
                    shown(name.as_ref())
                )
            })?;
            chain.images.push(base);
        }
        Ok(chain)
    }

    /// The size of the disk in bytes, in whole sectors of 512 as in QEMU.
    pub(crate) fn virtual_size(&self) -> u64 {
        virtual_size(&self.images[0].1)
    }

    /// Adds up the data of the disk; counts the units of `unit` bytes that it touches, when given.
    pub(crate) fn summary(&self, unit: Unit) -> Result<AllocationSummary> {
        let layers = self.images.iter().map(|(Source { image, .. }, scanned)| {
            let map = scanned.tables.measured_map(image);
            let map = map.with_context(|| shown(&image.path))?;
            let size = virtual_size(scanned);
            Ok(Layer { size, map })
        });
        layer::tally(&mut layers.collect::<Result<Vec<_>>>()?, unit)
    }
}

const fn virtual_size(scanned: &Scanned) -> u64 {
    scanned.summary.virtual_size / 512 * 512
}

/// Opens the backing file called `name` of an image. `seen` are the files of the chain so far.
fn open_base(
    source: &Source,
    scanned: &Scanned,
    name: &OsStr,
    seen: &mut BTreeSet<(u64, u64)>,
) -> Result<(Source, Scanned)> {
    let path = base_path(&source.image.path, name)?;
    let format = scanned.tables.backing_format(&source.image)?;
    let format = format.map(|name| {
        let mut all = formats::ALL.into_iter();
        all.find(|format| format.qemu_name == name)
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
    let scanned = base.scan(SECTOR_SIZE, None)?;
    Ok((base, scanned))
}

/// The path of a backing file. A relative name is relative to the folder of the image that has it. QEMU takes
/// everything before a colon for a protocol.
fn base_path(image: &Path, name: &OsStr) -> Result<PathBuf> {
    ensure!(!name.is_empty(), "the image does not name it");
    let first = name.as_bytes().iter().find(|byte| b":/".contains(byte));
    ensure!(
        first != Some(&b':'),
        "its name begins with a protocol, and only files are opened"
    );
    Ok(image.parent().unwrap_or(Path::new("")).join(name))
}

/// The notes on an answer: that the data is in another file, and, for an image alone, that it has a backing file.
pub(crate) fn notes((source, scanned): &(Source, Scanned), own_layer: bool) -> Result<Vec<String>> {
    let named = |name: &OsStr| match name.is_empty() {
        true => " that it does not name".to_owned(),
        false => format!(", {}", shown(name.as_ref())),
    };
    let (image, tables) = (shown(&source.image.path), &scanned.tables);
    let data = tables.data_file_name(&source.image)?.map(|name| {
        let name = named(&name);
        format!("the data of {image} is in another file{name}: only the tables are looked at")
    });
    let backing = tables.backing_name(&source.image)?.filter(|_| own_layer);
    let backing = backing.map(|name| {
        let name = named(&name);
        format!("{image} has a backing file{name}: what it takes from there is not counted")
    });
    Ok(data.into_iter().chain(backing).collect())
}
