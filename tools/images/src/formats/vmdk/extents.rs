//! A disk whose text descriptor lists the files that hold it.
//!
//! A descriptor may come from anywhere, so it must not name just any file of this machine, as CVE-2024-32498 and
//! CVE-2024-4467 did in qcow2. An extent is a regular file in the descriptor's own folder.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use anyhow::{Context as _, Result, ensure};
use vmdk::descriptor::{self, Access, Descriptor, Extent, ExtentKind};

use super::scan_sparse;
use crate::file::{ImageFile, Opened};
use crate::layer::{self, Layer, Scanned, Unit};
use crate::map::{Content, Flat, Map, Stretch, Tables};
use crate::shown;

/// The size of a sector in bytes.
const SECTOR: u64 = 512;

/// The most extents, whose files are all open at once: 8 TiB in pieces of 2 GiB.
const MAX_EXTENTS: usize = 4096;

/// The kinds of disks whose extents are followed.
const FOLLOWED: &str =
    "monolithicFlat monolithicSparse twoGbMaxExtentFlat twoGbMaxExtentSparse vmfs custom";

/// Opens and scans the extents that the descriptor in `image` lists, and adds up what they hold. Fails when the
/// descriptor is wrong or of a kind that is not followed, or an extent cannot be opened or scanned; the message names
/// it.
pub(super) fn scan(
    image: &ImageFile,
    text: &[u8],
    sector_size: u32,
    unit: Unit,
) -> Result<Scanned> {
    let descriptor = Descriptor::parse(text)?;
    let mut followed = FOLLOWED.split(' ').map(str::as_bytes);
    ensure!(
        followed.any(|kind| kind == descriptor.create_type),
        "unsupported: {} (qemu-img convert -f vmdk copies those that QEMU opens)",
        descriptor::kind(text)
    );
    ensure!(
        descriptor.extent_count <= MAX_EXTENTS,
        "the descriptor lists {} extents: at most {MAX_EXTENTS} are opened",
        descriptor.extent_count
    );
    let mut used = vec![(image.identity()?, 0..u64::MAX)];
    let (mut parts, mut end, mut sector_reads) = (Vec::new(), 0, 0);
    for extent in descriptor.extents() {
        let start = end;
        end += extent.sectors * SECTOR;
        let name = OsStr::from_bytes(extent.file_name);
        let (file, reads) = open(image, &extent, sector_size, &mut used)
            .with_context(|| format!("its extent {}", shown(name.as_ref())))?;
        sector_reads += reads;
        let disk = start..end;
        parts.push(Part { disk, file });
    }
    let parent = descriptor::parent(text).map(|name| OsString::from_vec(name.to_vec()));
    let tables = Extents { parts, parent };
    let map = tables.map(&image.file);
    let summary = layer::tally(&mut [Layer { size: end, map }], unit)?;
    Ok(Scanned {
        summary,
        sector_reads,
        tables: Box::new(tables),
    })
}

/// A file that holds an extent, and how it does so.
type Holder = (ImageFile, Box<dyn Tables>);

/// Opens and verifies the file of an extent, which `ZERO` does not have; and how many sectors were read for it. `used`
/// are the bytes of files that are in use, to which it adds its own.
fn open(
    descriptor: &ImageFile,
    extent: &Extent<'_>,
    sector_size: u32,
    used: &mut Vec<((u64, u64), Range<u64>)>,
) -> Result<(Option<Holder>, u64)> {
    let kind = extent.kind;
    if kind == ExtentKind::Zero {
        return Ok((None, 0));
    }
    let is_readable = extent.access != Access::NoAccess;
    ensure!(is_readable, "it must not be read (NOACCESS)");
    let is_flat = matches!(kind, ExtentKind::Flat | ExtentKind::Vmfs);
    ensure!(
        is_flat || kind == ExtentKind::Sparse,
        "unsupported: an extent of type {}",
        kind.name()
    );
    let name = extent.file_name;
    ensure!(
        !matches!(name, b"." | b"..") && !name.iter().any(|byte| b"/\\".contains(byte)),
        "only a file in the descriptor's own folder is opened, and it is named without a path"
    );
    let path = descriptor.path.with_file_name(OsStr::from_bytes(name));
    let image = ImageFile::open(&path, Opened::NoLink)?;
    let start = extent.offset * SECTOR;
    let bytes = if is_flat {
        start..start + extent.sectors * SECTOR
    } else {
        0..u64::MAX
    };
    let identity = image.identity()?;
    let is_in_use = used.iter().any(|(file, other)| {
        *file == identity && bytes.start < other.end && other.start < bytes.end
    });
    ensure!(
        !is_in_use,
        "it is the descriptor itself, or its bytes are those of another extent too"
    );
    let end = bytes.end;
    used.push((identity, bytes));
    if is_flat {
        ensure!(
            end <= image.length,
            "it ends at byte {end}, and the file has {}",
            image.length
        );
        return Ok((Some((image, Box::new(Flat(start)))), 0));
    }
    let (scanned, _) = scan_sparse(&image, sector_size, None)?;
    let (sectors, capacity) = (extent.sectors, scanned.summary.virtual_size / SECTOR);
    ensure!(
        sectors == capacity,
        "it has {sectors} sectors by the descriptor, and {capacity} by its own header"
    );
    Ok((Some((image, scanned.tables)), scanned.sector_reads))
}

/// A part of the disk, and what holds it; zeroes without.
struct Part {
    disk: Range<u64>,
    file: Option<Holder>,
}

/// The extents of a disk, in their order, and its parent's name.
struct Extents {
    parts: Vec<Part>,
    parent: Option<OsString>,
}

impl Extents {
    /// The map in which every file has the map `of`.
    fn maps<'a, E>(
        &'a self,
        of: impl Fn(&'a Holder) -> Result<Box<dyn Map + 'a>, E>,
    ) -> Result<Box<dyn Map + 'a>, E> {
        let maps = self.parts.iter().map(|Part { disk, file }| {
            let map = file.as_ref().map(&of).transpose()?;
            Ok((disk.clone(), map))
        });
        Ok(Box::new(ExtentMaps(maps.collect::<Result<_, _>>()?)))
    }
}

impl Tables for Extents {
    fn map<'a>(&'a self, _file: &'a File) -> Box<dyn Map + 'a> {
        let Ok(map) = self.maps(|(image, tables)| Ok::<_, Infallible>(tables.map(&image.file)));
        map
    }

    fn stored_map<'a>(&'a self, _image: &'a ImageFile) -> Box<dyn Map + 'a> {
        let Ok(map) = self.maps(|(image, tables)| Ok::<_, Infallible>(tables.stored_map(image)));
        map
    }

    fn measured_map<'a>(&'a self, _image: &'a ImageFile) -> Result<Box<dyn Map + 'a>> {
        self.maps(|(image, tables)| tables.measured_map(image))
    }

    fn backing_name(&self, _image: &ImageFile) -> Result<Option<OsString>> {
        Ok(self.parent.clone())
    }

    /// The parent of a VMDK is a VMDK.
    fn backing_format(&self, _image: &ImageFile) -> Result<Option<String>> {
        Ok(Some("vmdk".to_owned()))
    }
}

/// A part of the disk, and its map; zeroes without.
type PartMap<'a> = (Range<u64>, Option<Box<dyn Map + 'a>>);

/// The parts of a disk.
struct ExtentMaps<'a>(Vec<PartMap<'a>>);

impl Map for ExtentMaps<'_> {
    fn at(&mut self, offset: u64) -> Result<Stretch> {
        let nth = self.0.partition_point(|(disk, _)| disk.end <= offset);
        let (disk, map) = self.0.get_mut(nth).context("past the last extent")?;
        let mut stretch = Stretch {
            content: Content::Zero,
            length: u64::MAX,
        };
        if let Some(map) = map {
            stretch = map.at(offset - disk.start)?;
        }
        // Data lies in a file of its own.
        if let Content::Data(place) = &mut stretch.content {
            *place = None;
        }
        stretch.length = stretch.length.min(disk.end - offset);
        Ok(stretch)
    }
}
