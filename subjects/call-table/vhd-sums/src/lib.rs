//! How much of a VHD holds data.
//!
//! The library knows no harness. It reads through a call table without a context, has two caches of 64 KiB from its
//! caller and no heap, and answers with two numbers or without a reason.
#![no_std]
#![forbid(unsafe_code)]

use shared::BareCallTable;

/// The size of a cache in bytes: that of the largest sector.
pub const CACHE: usize = 65536;

/// What a disk holds, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    pub virtual_size: u64,
    pub allocated_bytes: u64,
}

/// The sums of the image on `device`; `None` when it is no sound VHD without a parent, or cannot be read.
pub fn scan_allocation(
    calls: &BareCallTable,
    device: u32,
    [first, second]: [&mut [u8; CACHE]; 2],
) -> Option<Sums> {
    let mut image = Image::new(calls, device, first)?;
    let (footer, footer_at) = image.footer()?;
    if number(&footer, 12, 4) != VERSION {
        return None;
    }
    let virtual_size = number(&footer, 48, 8) / 512 * 512;
    let allocated_bytes = match number(&footer, 60, 4) {
        FIXED if virtual_size <= footer_at => virtual_size,
        DYNAMIC if virtual_size <= LARGEST => {
            let header = number(&footer, 16, 8);
            let mut table = Image::new(calls, device, second)?;
            image.blocks(&mut table, header, virtual_size)?
        }
        _ => return None,
    };
    Some(Sums {
        virtual_size,
        allocated_bytes,
    })
}

const VERSION: u64 = 1 << 16;
const FIXED: u64 = 2;
const DYNAMIC: u64 = 3;
/// The largest disk, in bytes: 2040 GiB.
const LARGEST: u64 = 2040 << 30;

/// An image, and the one sector of it that is in the cache.
struct Image<'a> {
    calls: &'a BareCallTable,
    device: u32,
    capacity: u64,
    cache: &'a mut [u8],
    held: Option<u64>,
}

impl<'a> Image<'a> {
    fn new(calls: &'a BareCallTable, device: u32, cache: &'a mut [u8; CACHE]) -> Option<Self> {
        let sector_size = calls.get_input_sector_size(device) as usize;
        Some(Self {
            calls,
            device,
            capacity: calls.get_input_capacity(device),
            cache: cache
                .get_mut(..sector_size)
                .filter(|cache| cache.len() >= 512)?,
            held: None,
        })
    }

    /// The bytes at byte `at`, all of which are in the image.
    fn bytes<const N: usize>(&mut self, at: u64) -> Option<[u8; N]> {
        let end = at.checked_add(N as u64)?;
        if end > self.capacity {
            return None;
        }
        let (mut bytes, size) = ([0; N], self.cache.len() as u64);
        let mut done = 0;
        while done < N {
            let here = at + done as u64;
            let sector = here / size;
            if self.held != Some(sector) {
                self.held = None;
                let read = self
                    .calls
                    .read_input_sector(self.device, sector, self.cache);
                read.ok()?;
                self.held = Some(sector);
            }
            let from = (here % size) as usize;
            let length = (self.cache.len() - from).min(N - done);
            bytes[done..done + length].copy_from_slice(&self.cache[from..from + length]);
            done += length;
        }
        Some(bytes)
    }

    /// The copy of the footer at the start, which only a dynamic disk has, or the footer at the end; and where it is.
    fn footer(&mut self) -> Option<([u8; 512], u64)> {
        let is_sound = |footer: &[u8; 512]| footer.starts_with(b"conectix") && sums_up(footer, 64);
        let copy = self.bytes(0)?;
        if is_sound(&copy) && number(&copy, 60, 4) != FIXED {
            return Some((copy, 0));
        }
        let mut last = self.capacity - 512;
        let mut footer: [u8; 512] = self.bytes(last)?;
        if !is_sound(&footer) && self.capacity % 512 == 511 {
            // Before Virtual PC 2004 the footer lacked its last byte.
            last += 1;
            footer[511] = 0;
            footer[..511].copy_from_slice(&self.bytes::<511>(last)?);
        }
        is_sound(&footer).then_some((footer, last))
    }

    /// How many bytes of the disk have a block in the file, by the table that the header at byte `header` names.
    fn blocks(&mut self, table: &mut Image<'_>, header: u64, virtual_size: u64) -> Option<u64> {
        let fields: [u8; 1024] = self.bytes(header)?;
        let block = number(&fields, 32, 4);
        let is_sound = header >= 512
            && fields.starts_with(b"cxsparse")
            && sums_up(&fields, 36)
            && number(&fields, 24, 4) == VERSION
            && block >= 512
            && block.is_power_of_two();
        if !is_sound {
            return None;
        }
        let (table_at, entries) = (number(&fields, 16, 8), number(&fields, 28, 4));
        let table_end = table_at.checked_add(4 * entries)?;
        let blocks = virtual_size.div_ceil(block);
        let is_apart = |start: u64, end: u64, other: u64, other_end: u64| {
            start == end || other == other_end || end <= other || other_end <= start
        };
        let is_sound = blocks <= entries
            && table_end <= self.capacity
            && is_apart(table_at, table_end, 0, 512)
            && is_apart(table_at, table_end, header, header + 1024);
        if !is_sound {
            return None;
        }
        let bitmap = (block / 512 / 8).next_multiple_of(512);
        let mut allocated_bytes = 0;
        for number in 0..blocks {
            let sector = u32::from_be_bytes(table.bytes(table_at + 4 * number)?);
            if sector == u32::MAX {
                continue;
            }
            let start = 512 * u64::from(sector);
            let end = start + bitmap + block;
            let is_sound = end <= self.capacity
                && is_apart(start, end, 0, 512)
                && is_apart(start, end, header, header + 1024)
                && is_apart(start, end, table_at, table_end);
            if !is_sound {
                return None;
            }
            allocated_bytes += block.min(virtual_size - number * block);
        }
        Some(allocated_bytes)
    }
}

/// The big-endian number of `length` bytes.
fn number(structure: &[u8], at: usize, length: usize) -> u64 {
    let bytes = structure[at..at + length].iter();
    bytes.fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// Whether the checksum at byte `at` is the ones' complement of the sum of all other bytes.
fn sums_up(structure: &[u8], at: usize) -> bool {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    let all = sum(structure) - sum(&structure[at..at + 4]);
    number(structure, at, 4) == u64::from(!(all as u32))
}
