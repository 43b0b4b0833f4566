//! Many images, each compared with `qemu-img map`, and counted.
//!
//! For formats whose data map shows exactly: the bytes of its data extents at depth 0 must be
//! `allocated_bytes`, and the units that they touch the touched ones.

use std::fmt::Display;

use types::{ScanError, ScanFormat};

use crate::map::Map;
use crate::qemu::Folder;
use crate::scan::{SECTOR_SIZES, answer};

/// The units whose touched ones are counted, in bytes.
const UNITS: [u64; 6] = [512, 4096, 65536, 1 << 20, 2 << 20, 12_345];

/// The images compared so far, and the folder in which they are made.
#[derive(Debug)]
pub struct Grid {
    /// Where the images are.
    pub folder: Folder,
    format: ScanFormat,
    name: &'static str,
    images: u64,
    /// How many images hold any data.
    pub with_data: u64,
    /// How many of these hold holes as well.
    pub with_holes: u64,
}

/// One image on its way: made, filled, changed, compared.
#[derive(Debug)]
pub struct Image<'g> {
    grid: &'g mut Grid,
    name: &'static str,
    /// The arguments with which QEMU's tools open it.
    opened: Vec<&'static str>,
}

impl Grid {
    /// Nothing yet. Images of `format`, which has the same name in QEMU, are made as the file `name`.
    #[must_use]
    pub fn new(format: ScanFormat, name: &'static str) -> Self {
        Self {
            folder: Folder::new(),
            format,
            name,
            images: 0,
            with_data: 0,
            with_holes: 0,
        }
    }

    /// A new image of `size` with `options`.
    pub fn create(&mut self, options: &str, size: impl Display) -> Image<'_> {
        self.folder
            .create(self.format.name(), options, self.name, size);
        self.existing(self.name)
    }

    /// A new image that `arguments` of `qemu-img convert` make of a raw image of `size` bytes, filled by
    /// `commands`.
    pub fn convert(&mut self, arguments: &[&str], size: u64, commands: &[&str]) -> Image<'_> {
        const SOURCE: &str = "source.raw";
        self.folder.write_holes(SOURCE, size);
        self.folder.io(&["-f", "raw", SOURCE], commands);
        self.folder
            .convert(SOURCE, self.format.name(), arguments, self.name);
        self.existing(self.name)
    }

    /// An image that is there.
    pub fn existing(&mut self, name: &'static str) -> Image<'_> {
        Image {
            opened: vec!["-f", self.format.name(), name],
            grid: self,
            name,
        }
    }

    /// The scanner must refuse a damaged image when qemu-img does, and else give its numbers. Whether it
    /// was refused; `what` names the damage when neither holds.
    pub fn compare_damaged(&mut self, bytes: &[u8], what: &str) -> bool {
        self.folder.write(self.name, bytes);
        let opened = ["-f", self.format.name(), self.name];
        let map = self.folder.map_unless_refused(&opened);
        let answer = answer(self.format, bytes, None, &SECTOR_SIZES);
        if let Some(map) = &map {
            assert_eq!(
                answer.map(|summary| (summary.virtual_size, summary.allocated_bytes)),
                Ok((map.size(), map.bytes())),
                "{what}"
            );
        } else {
            assert!(
                matches!(
                    answer,
                    Err(ScanError::Corrupt(_) | ScanError::Unsupported(_))
                ),
                "{what}: {answer:?}"
            );
        }
        map.is_none()
    }

    /// The same for each field of these that is changed: where, of how many bytes, and the number. How many images
    /// were compared, and how many of them refused.
    pub fn compare_fields(
        &mut self,
        sound: &[u8],
        is_big_endian: bool,
        fields: impl IntoIterator<Item = (usize, usize, u64)>,
    ) -> (u64, u64) {
        let (mut compared, mut refused) = (0, 0);
        for (at, width, number) in fields {
            let mut field = number.to_le_bytes();
            if is_big_endian {
                field[..width].reverse();
            }
            let mut bytes = sound.to_vec();
            bytes[at..at + width].copy_from_slice(&field[..width]);
            let what = format!("{width} bytes of {number:#x} at {at:#x}");
            refused += u64::from(self.compare_damaged(&bytes, &what));
            compared += 1;
        }
        println!(
            "{compared} images with damage compared with qemu-img map, {refused} refused by both"
        );
        (compared, refused)
    }

    /// Prints what was compared; there must be `images` of them.
    pub fn conclude(&self, images: u64) {
        println!(
            "{} images compared with qemu-img map, {} with data, {} of these with holes",
            self.images, self.with_data, self.with_holes
        );
        assert_eq!(self.images, images);
    }
}

impl Image<'_> {
    /// The same image, which QEMU's tools open with these arguments.
    #[must_use]
    pub fn opened(self, arguments: &[&'static str]) -> Self {
        Self {
            opened: arguments.to_vec(),
            ..self
        }
    }

    /// Runs qemu-io commands on the image.
    #[must_use]
    pub fn io(self, commands: &[&str]) -> Self {
        self.grid.folder.io(&self.opened, commands);
        self
    }

    /// Runs qemu-img on the image, whose name is put last but for `rest`.
    #[must_use]
    pub fn img(self, arguments: &[&str], rest: &[&str]) -> Self {
        let all = [arguments, &[self.name], rest].concat();
        self.grid.folder.run("qemu-img", &all);
        self
    }

    /// The image's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.grid.folder.read(self.name)
    }

    /// The map of the image.
    #[must_use]
    pub fn map(&self) -> Map {
        self.grid.folder.map(&self.opened)
    }

    /// The scanner must answer what map shows.
    #[allow(
        clippy::must_use_candidate,
        reason = "often the image is not looked at any more"
    )]
    pub fn compare(self) -> Self {
        let map = self.map();
        let bytes = self.bytes();
        let scan = |unit| {
            answer(self.grid.format, &bytes, unit, &SECTOR_SIZES).expect("qemu-img's own image")
        };
        let summary = scan(None);
        assert_eq!(summary.virtual_size, map.size());
        assert_eq!(summary.allocated_bytes, map.bytes());
        assert_eq!(summary.touched, None);
        for unit in UNITS {
            let expected = summary.with_touched(unit, map.touched(unit));
            assert_eq!(scan(Some(unit)), expected);
        }
        let grid = &mut *self.grid;
        grid.images += 1;
        grid.with_data += u64::from(map.bytes() > 0);
        grid.with_holes += u64::from(map.bytes() > 0 && map.bytes() < map.size());
        self
    }
}
