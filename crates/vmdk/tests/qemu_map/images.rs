//! Images that qemu-img and qemu-io make, what `qemu-img map` says of them, and the comparison.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use shared::{AllocationSummary, ScanError};
use tempfile::TempDir;

use crate::common::answer;

pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;

/// The units whose touched ones are counted, in bytes.
pub(crate) const UNITS: [u64; 6] = [512, 4096, 65536, 1 << 20, 2 << 20, 12_345];

/// Runs a tool in `folder` and gives what it prints.
pub(crate) fn run(folder: &Path, tool: &str, arguments: &[&str]) -> String {
    let output = Command::new(tool)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{tool}: {error}; install qemu-utils"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !complaint.contains("error"),
        "{tool} {arguments:?}: {said}{complaint}"
    );
    said
}

/// What map says of one extent.
pub(crate) struct Extent {
    pub(crate) start: u64,
    pub(crate) length: u64,
    pub(crate) data: bool,
    pub(crate) compressed: bool,
}

/// What map says of an image: its extents, those of backing files made holes.
pub(crate) struct Map(Vec<Extent>);

impl Map {
    pub(crate) fn parse(json: &str) -> Self {
        let extents: Value = serde_json::from_str(json).expect("map prints JSON");
        let extents = extents.as_array().expect("map prints a list");
        let extent = |extent: &Value| Extent {
            start: extent["start"].as_u64().expect("start"),
            length: extent["length"].as_u64().expect("length"),
            data: extent["data"].as_bool().expect("data")
                && extent["depth"].as_u64().expect("depth") == 0,
            compressed: extent["compressed"].as_bool().expect("compressed"),
        };
        Self(extents.iter().map(extent).collect())
    }

    pub(crate) fn size(&self) -> u64 {
        self.0.iter().map(|extent| extent.length).sum()
    }

    pub(crate) fn data(&self) -> impl Iterator<Item = &Extent> {
        self.0.iter().filter(|extent| extent.data)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.data().map(|extent| extent.length).sum()
    }

    /// How many units of `unit` bytes the data touches.
    pub(crate) fn touched(&self, unit: u64) -> u64 {
        let mut count = 0;
        let mut next = 0;
        for extent in self.data() {
            let past_last = (extent.start + extent.length).div_ceil(unit);
            count += past_last.saturating_sub(next.max(extent.start / unit));
            next = next.max(past_last);
        }
        count
    }
}

/// One image on its way: made, filled, changed, compared.
pub(crate) struct Image<'a> {
    pub(crate) grid: &'a mut Grid,
    name: &'static str,
}

/// The images compared so far.
pub(crate) struct Grid {
    pub(crate) folder: TempDir,
    pub(crate) images: u64,
    pub(crate) with_data: u64,
    pub(crate) with_holes: u64,
    pub(crate) with_compressed: u64,
    pub(crate) units: u64,
}

pub(crate) const NAME: &str = "image.vmdk";

impl Grid {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
            images: 0,
            with_data: 0,
            with_holes: 0,
            with_compressed: 0,
            units: 0,
        }
    }

    pub(crate) fn run(&self, tool: &str, arguments: &[&str]) -> String {
        run(self.folder.path(), tool, arguments)
    }

    /// A new image of `size` with `options`.
    pub(crate) fn create(&mut self, options: &str, size: &str) -> Image<'_> {
        self.run(
            "qemu-img",
            &["create", "-q", "-f", "vmdk", "-o", options, NAME, size],
        );
        self.existing(NAME)
    }

    /// An image that is there.
    pub(crate) fn existing(&mut self, name: &'static str) -> Image<'_> {
        Image { grid: self, name }
    }

    /// A new image that `arguments` of `qemu-img convert` make of a raw image of `size` bytes, filled by
    /// `commands`.
    pub(crate) fn convert(
        &mut self,
        arguments: &[&str],
        size: u64,
        commands: &[String],
    ) -> Image<'_> {
        let raw = self.folder.path().join("source.raw");
        std::fs::File::create(raw)
            .and_then(|file| file.set_len(size))
            .expect("a raw image");
        io(self, &["-f", "raw", "source.raw"], commands);
        let mut all = vec!["convert", "-q", "-f", "raw", "-O", "vmdk"];
        all.extend(arguments);
        all.extend(["source.raw", NAME]);
        self.run("qemu-img", &all);
        self.existing(NAME)
    }
}

/// Runs qemu-io commands on an image named by `arguments`.
pub(crate) fn io(grid: &Grid, arguments: &[&str], commands: &[String]) {
    let mut all = vec!["-d", "unmap", "-t", "unsafe"];
    for command in commands {
        all.extend(["-c", command]);
    }
    all.extend(arguments);
    let said = grid.run("qemu-io", &all);
    assert!(!said.contains("failed"), "qemu-io {all:?}: {said}");
}

impl Image<'_> {
    /// Runs qemu-io commands on the image.
    pub(crate) fn io(self, commands: &[String]) -> Self {
        io(self.grid, &["-f", "vmdk", self.name], commands);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.grid.folder.path().join(self.name)).expect("the image")
    }

    pub(crate) fn write(self, bytes: &[u8]) -> Self {
        std::fs::write(self.grid.folder.path().join(self.name), bytes).expect("the image");
        self
    }

    pub(crate) fn map(&self) -> Map {
        let map = ["map", "-f", "vmdk", "--output", "json", self.name];
        let json = self.grid.run("qemu-img", &map);
        Map::parse(&json)
    }

    pub(crate) fn answer(&self) -> Result<AllocationSummary, ScanError> {
        answer(&self.bytes(), None)
    }

    /// The scanner must answer what map says.
    pub(crate) fn compare(self) -> Self {
        let map = self.map();
        let bytes = self.bytes();
        let summary = answer(&bytes, None).expect("qemu-img's own image");
        assert_eq!(summary.virtual_size, map.size());
        assert_eq!(summary.allocated_bytes, map.bytes());
        assert_eq!(summary.touched, None);
        for unit in UNITS {
            let touched = answer(&bytes, Some(unit)).unwrap().touched.unwrap();
            assert_eq!((touched.unit, touched.count), (unit, map.touched(unit)));
            self.grid.units += 1;
        }
        let grid = &mut *self.grid;
        grid.images += 1;
        grid.with_data += u64::from(map.bytes() > 0);
        grid.with_holes += u64::from(map.bytes() > 0 && map.bytes() < map.size());
        grid.with_compressed += u64::from(map.data().any(|extent| extent.compressed));
        self
    }
}

/// qemu-io commands.
pub(crate) fn commands(commands: &[&str]) -> Vec<String> {
    commands.iter().map(ToString::to_string).collect()
}

/// Writes a little-endian number of `width` bytes into an image.
pub(crate) fn put(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
}

/// A header field of 64 bits that is a sector: the byte where it points.
pub(crate) fn place(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) * 512).unwrap()
}

/// A directory entry: the byte where its table lies.
pub(crate) fn table(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize * 512
}
