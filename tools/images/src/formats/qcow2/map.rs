//! The map of a qcow2 image: `docs/interop/qcow2.txt`, sections "Cluster mapping" and "Extended L2
//! Entries".

use std::ffi::OsString;
use std::fs::File;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt as _;

use anyhow::{Result, anyhow, ensure};
use qcow2::entry::{ClusterData, EntryRules};
use qcow2::{QcowHeader, extension};

use super::{bitmaps, refcounts};
use crate::file::ImageFile;
use crate::map::{Content, Entries, Map, Stretch, Tables};

/// Bits 9 to 55 of an entry: an offset in the file, in bytes.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Bit 0 of a standard L2 entry: the cluster reads as zeroes.
const ZERO: u64 = 1;
/// Bit 62 of an L2 entry: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// Subclusters in a cluster with extended L2 entries.
const SUBCLUSTERS: u64 = 32;

/// The longest name of a format in a header extension, in bytes (QEMU's `block/qcow2.c`).
const MAX_FORMAT_NAME: u64 = 15;

/// An L1 table and L2 tables, found by the header.
pub(super) struct Qcow2Tables(pub(super) QcowHeader);

impl Tables for Qcow2Tables {
    fn map<'a>(&'a self, file: &'a File) -> Box<dyn Map + 'a> {
        Box::new(Qcow2Map {
            header: self.0,
            rules: EntryRules::new(&self.0),
            l1: Entries::new(file),
            l2: Entries::new(file),
        })
    }

    fn data_file_name(&self, image: &ImageFile) -> Result<Option<OsString>> {
        if !self.0.has_external_data() {
            return Ok(None);
        }
        let place = find(image, &self.0, extension::DATA_FILE)?;
        let name = image.bytes_at(place.unwrap_or_default())?;
        Ok(Some(OsString::from_vec(c_string(name))))
    }

    fn measured_map<'a>(&'a self, image: &'a ImageFile) -> Result<Box<dyn Map + 'a>> {
        let is_encrypted = self.0.crypt_method != 0;
        if !is_encrypted && refcounts::metadata_is_preallocated(image, &self.0)? {
            return Ok(self.stored_map(image));
        }
        Ok(self.map(&image.file))
    }

    fn backing_name(&self, image: &ImageFile) -> Result<Option<OsString>> {
        let Some(place) = self.0.backing_file_name() else {
            return Ok(None);
        };
        let name = c_string(image.bytes_at(place)?);
        Ok((!name.is_empty()).then(|| OsString::from_vec(name)))
    }

    fn backing_format(&self, image: &ImageFile) -> Result<Option<String>> {
        let Some(place) = find(image, &self.0, extension::BACKING_FORMAT)? else {
            return Ok(None);
        };
        ensure!(
            place.end - place.start <= MAX_FORMAT_NAME,
            "the name of its format is longer than {MAX_FORMAT_NAME} bytes"
        );
        let name = c_string(image.bytes_at(place)?);
        let name = String::from_utf8_lossy(&name).into_owned();
        Ok(Some(name).filter(|name| !name.is_empty()))
    }

    fn bitmaps_size(&self, image: &ImageFile, cluster_size: u64) -> Result<Option<u64>> {
        let size = self.0.virtual_size / 512 * 512;
        let bitmaps = bitmaps::read(image, &self.0)?;
        let size = bitmaps.map(|bitmaps| bitmaps::size(&bitmaps, size, cluster_size));
        size.transpose()
    }
}

/// Where the data of a header extension lies. Fails when an extension before it is too long, or the file cannot be
/// read.
pub(super) fn find(
    image: &ImageFile,
    header: &QcowHeader,
    kind: u32,
) -> Result<Option<Range<u64>>> {
    extension::find(header, image.length, kind, |at| Ok(image.array(at)?))
}

/// The bytes before the first zero: names are C strings in QEMU.
fn c_string(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

struct Qcow2Map<'a> {
    header: QcowHeader,
    rules: EntryRules,
    l1: Entries<'a>,
    l2: Entries<'a>,
}

impl Qcow2Map<'_> {
    /// The cluster's L2 entry and the bitmap of its subclusters, which is 0 with standard entries.
    fn entry(&mut self, table: u64, index: u64) -> Result<(u64, u64)> {
        if self.header.has_extended_l2() {
            let at = table + index * 16;
            let entry = u64::from_be_bytes(self.l2.read(at)?);
            Ok((entry, u64::from_be_bytes(self.l2.read(at + 8)?)))
        } else {
            Ok((u64::from_be_bytes(self.l2.read(table + index * 8)?), 0))
        }
    }
}

impl Map for Qcow2Map<'_> {
    fn at(&mut self, offset: u64) -> Result<Stretch> {
        let coverage = 1 << self.header.l2_coverage_bits();
        let l1_entry = self.header.l1_offset + offset / coverage * 8;
        let table = u64::from_be_bytes(self.l1.read(l1_entry)?) & OFFSET;
        if table == 0 {
            return Ok(Stretch {
                content: Content::Absent,
                length: coverage - offset % coverage,
            });
        }
        let cluster_size = self.header.cluster_size();
        let within = offset % cluster_size;
        let (entry, bitmap) = self.entry(table, offset % coverage / cluster_size)?;
        let data = self.rules.cluster_data(entry, bitmap, offset - within);

        let is_extended = self.header.has_extended_l2();
        let unit = cluster_size / if is_extended { SUBCLUSTERS } else { 1 };
        let subcluster = within / unit;
        let holds_data = match data.map_err(|error| anyhow!(error))? {
            ClusterData::Whole(holds_data) => holds_data,
            ClusterData::Subclusters(data) => data >> subcluster & 1 == 1,
        };
        let is_zero = if is_extended {
            bitmap >> (32 + subcluster) & 1 == 1
        } else {
            entry & ZERO != 0
        };
        let is_in_place = entry & COMPRESSED == 0 && !self.header.has_external_data();
        let content = if holds_data {
            Content::Data(is_in_place.then_some((entry & OFFSET) + within))
        } else if is_zero {
            Content::Zero
        } else {
            Content::Absent
        };
        Ok(Stretch {
            content,
            length: unit - within % unit,
        })
    }
}
