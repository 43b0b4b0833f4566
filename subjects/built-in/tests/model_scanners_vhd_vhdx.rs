//! The scanners of VHD and VHDX answer what the model answers: for every seed, and for hundreds of
//! thousands of images that are a seed with fields set to values at which decisions change, most of
//! them with checksums put right.

use built_in::BuiltIn;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::Path;

use harness_core::MockDevice;
use harness_core::scan::{Image, ScanCase};
use harness_core::subject::{ScanErrorKind, ScanFormat, ScanRequest, Scanner as _};
use model::scanners;
use sparse::Bytes as _;
use sparse::SparseImage;
use sparse::crc32c::of_pieces;
use testing::random::Random;
use types::{AllocationSummary, ScanError};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

type Answer = Result<AllocationSummary, ScanError>;

fn ask(format: ScanFormat, image: &SparseImage, unit: Option<NonZeroU64>) -> Answer {
    let mut device = MockDevice::new(512, 3);
    device.set_sparse_input(image);
    let mut caches = [[0; 512]; 2];
    let [first, second] = &mut caches;
    let request = ScanRequest {
        format,
        calls: device.build_call_table(),
        device: device.index(),
        caches: [first, second],
        unit,
        twice: false,
    };
    BuiltIn.scan(request).result
}

/// The seeds of a format: name, input, and the image in it.
fn seeds(format: ScanFormat) -> Vec<(String, Vec<u8>, SparseImage)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/seeds/fuzz_measure_scan");
    let mut seeds: Vec<_> = std::fs::read_dir(folder)
        .expect("the seeds are there")
        .map(|entry| entry.expect("a folder can be read").path())
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            (name.into_owned(), std::fs::read(&path).expect("a seed"))
        })
        .filter(|(_, input)| ScanCase::decode(input).expect("a case").format == format)
        .map(|(name, input)| {
            let image = image_of(&input);
            (name, input, image)
        })
        .collect();
    seeds.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    assert!(seeds.len() >= 8);
    seeds
}

/// The image in an input of `fuzz_measure_scan`.
fn image_of(input: &[u8]) -> SparseImage {
    match ScanCase::decode(input).expect("a case").unpack() {
        Image::Sparse(image) => image,
        Image::Flat(bytes) => {
            let mut image = SparseImage::new(bytes.len() as u64);
            image.write(0, bytes);
            image
        }
    }
}

/// An image under mutation. The byte order is the format's.
struct Mutant {
    image: SparseImage,
    random: Random,
    big_endian: bool,
}

impl Mutant {
    fn one_in(&mut self, chances: u64) -> bool {
        self.random.below(chances) == 0
    }

    fn number(&self, at: u64, length: usize) -> u64 {
        let mut bytes = [0; 8];
        self.image.read(at, &mut bytes[..length]);
        if self.big_endian {
            bytes[..length].reverse();
        }
        u64::from_le_bytes(bytes)
    }

    fn set(&mut self, at: u64, length: usize, value: u64) {
        let mut bytes = value.to_le_bytes();
        if self.big_endian {
            bytes[..length].reverse();
        }
        self.image.write(at, &bytes[..length]);
    }

    /// Sets a field to a value at which something may change.
    fn disturb(&mut self, at: u64, length: usize, special: &[u64]) {
        let now = self.number(at, length);
        let capacity = self.image.capacity();
        let value = match self.random.below(10) {
            0 => self.random.below(9),
            1 => now.wrapping_add(self.random.below(5)).wrapping_sub(2),
            2 => now ^ (1 << self.random.below(8 * length as u64)),
            3 => 1_u64 << self.random.below(8 * length as u64),
            4 => (1_u64 << self.random.below(8 * length as u64)).wrapping_sub(self.random.below(3)),
            5 => u64::MAX - self.random.below(2),
            6 => capacity
                .wrapping_sub(512 * self.random.below(4))
                .wrapping_add(self.random.below(3))
                .wrapping_sub(1),
            7 => self.random.next(),
            _ => self.random.pick(special),
        };
        self.set(at, length, value);
    }

    /// Makes the file shorter or longer, by a little or by much.
    fn resize(&mut self, step: u64, most: u64) {
        let capacity = self.image.capacity();
        let changed = match self.random.below(6) {
            0 => capacity.saturating_sub(1 + self.random.below(step)),
            1 => capacity + 1 + self.random.below(step),
            2 => capacity.saturating_sub(step * self.random.below(6)),
            3 => capacity + step * self.random.below(6),
            4 => self.random.below(capacity + 1),
            _ => self.random.below(2000),
        };
        self.image.set_capacity(changed.min(most));
    }
}

/// How often each answer was given.
#[derive(Default)]
struct Seen {
    answers: BTreeMap<String, u64>,
    kinds: BTreeMap<Option<ScanErrorKind>, u64>,
    with_data: u64,
}

impl Seen {
    fn note(&mut self, answer: Answer) {
        let words = match answer {
            Ok(_) => "a summary".to_owned(),
            Err(error) => error.to_string(),
        };
        *self.answers.entry(words).or_default() += 1;
        let kind = answer.err().map(ScanErrorKind::from);
        *self.kinds.entry(kind).or_default() += 1;
        self.with_data += u64::from(answer.is_ok_and(|summary| summary.allocated_bytes > 0));
    }

    /// Asserts that all answers that an image can get were seen, `reasons` of them errors.
    fn assert_all(&self, reasons: usize) {
        println!("{:#?}, with data: {}", self.answers, self.with_data);
        assert!(self.with_data > 500, "{}", self.with_data);
        for kind in [
            None,
            Some(ScanErrorKind::NotThisFormat),
            Some(ScanErrorKind::Unsupported),
            Some(ScanErrorKind::Corrupt),
        ] {
            let count = self.kinds.get(&kind).copied().unwrap_or_default();
            assert!(count > 100, "{kind:?}: {count}");
        }
        assert_eq!(self.answers.len(), reasons + 1, "{:#?}", self.answers);
    }
}

/// Compares the answers for `count` mutants of the format's seeds.
fn compare(format: ScanFormat, count: u64, mutate: fn(&mut Mutant)) -> Seen {
    let seeds = seeds(format);
    let mut seen = Seen::default();
    for nth in 0..count {
        let (name, _, image) = &seeds[(nth % seeds.len() as u64) as usize];
        let mut mutant = Mutant {
            image: image.clone(),
            random: Random(nth),
            big_endian: format == ScanFormat::Vhd,
        };
        mutate(&mut mutant);
        let unit = NonZeroU64::new(match mutant.random.below(8) {
            0 => 0,
            _ => 1 << (9 + mutant.random.below(20)),
        });
        let answer = ask(format, &mutant.image, unit);
        let model = scanners::scan(format, &mutant.image, unit);
        assert_eq!(
            answer.map_err(ScanErrorKind::from),
            model,
            "mutant {nth}, of {name}: the scanner says {answer:?}, the model {model:?}"
        );
        seen.note(answer);
    }
    seen
}

#[test]
fn every_seed_gets_the_models_answer() {
    for format in [ScanFormat::Vhd, ScanFormat::Vhdx] {
        for (name, input, image) in seeds(format) {
            let case = ScanCase::decode(&input).unwrap();
            let unpacked = case.unpack();
            let device = unpacked.device();
            let answer = case.ask(&BuiltIn, &device);
            let model = scanners::scan(format, &image, case.unit);
            assert_eq!(answer.result.map_err(ScanErrorKind::from), model, "{name}");
            assert!(model.is_ok(), "{name}");
            // The image's bytes, flat, are the same to the model.
            let mut flat = vec![0; image.capacity() as usize];
            image.read(0, &mut flat);
            assert_eq!(
                scanners::scan(format, &flat[..], case.unit),
                model,
                "{name}"
            );
        }
    }
}

mod vhd {
    use super::*;

    /// Where fields lie in the footer and in the header, how long they are, and values that matter.
    const FOOTER: &[(u64, usize, &[u64])] = &[
        (0, 8, &[0]),
        (8, 4, &[0, 2, 3]),
        (12, 4, &[0x1_0000, 0x1_0001, 0x2_0000]),
        (16, 8, &[0, 511, 512, 1024, 2048]),
        (28, 4, &[0x7670_6320, 0x7165_6d75, 0x7769_6e20, 0x7165_6d32]),
        (
            48,
            8,
            &[
                0,
                511,
                0xff00_0000 * 512,
                0xff00_0000 * 512 + 511,
                0xff00_0001 * 512,
            ],
        ),
        (56, 2, &[0, 65_535]),
        (58, 1, &[0, 16]),
        (59, 1, &[0, 255]),
        (60, 4, &[0, 2, 3, 4, 5]),
        (64, 4, &[0]),
    ];
    const HEADER: &[(u64, usize, &[u64])] = &[
        (0, 8, &[0]),
        (16, 8, &[0, 511, 512, 513, 1024, 1535, 1536, 2048]),
        (24, 4, &[0x1_0000, 0x1_0001, 0x2_0000]),
        (28, 4, &[0, 1, 2, 3]),
        (32, 4, &[256, 512, 4096, 1 << 21, 1 << 31]),
        (36, 4, &[0]),
    ];

    fn put_checksum_right(mutant: &mut Mutant, start: u64, length: u64, field: u64) {
        mutant.set(start + field, 4, 0);
        let sum: u64 = mutant
            .image
            .pieces(start, length)
            .flat_map(|(_, piece)| piece)
            .map(|&byte| u64::from(byte))
            .sum();
        mutant.set(start + field, 4, !sum);
    }

    fn disturb(mutant: &mut Mutant, start: u64, fields: &[(u64, usize, &[u64])]) {
        let (at, length, special) = mutant.random.pick(fields);
        mutant.disturb(start + at, length, special);
    }

    fn mutate(mutant: &mut Mutant) {
        let end = mutant.image.capacity() - 512;
        let header = match mutant.number(16, 8) {
            header if header <= end => header,
            _ => 512,
        };
        let mut which_is_right = [true; 3];
        for _ in 0..=mutant.random.below(3) {
            match mutant.random.below(13) {
                0..3 => disturb(mutant, 0, FOOTER),
                3..5 => disturb(mutant, end, FOOTER),
                5..8 => disturb(mutant, header, HEADER),
                8 => {
                    // A geometry that counts, as the specification's largest one or not quite.
                    let creator = mutant.random.pick(&[0x7670_6320, 0x7165_6d75, 0x7769_6e20]);
                    mutant.set(28, 4, creator);
                    for (at, length, value) in [(56, 2, 65_535), (58, 1, 16), (59, 1, 255)] {
                        if !mutant.one_in(4) {
                            mutant.set(at, length, value);
                        }
                    }
                }
                9 => {
                    // A block with a bitmap of one sector or many, and a file that ends with it or nearly.
                    let block = 1 << (18 + mutant.random.below(8));
                    mutant.set(header + 32, 4, block);
                    let table = mutant.number(header + 16, 8);
                    let place = 3 + mutant.random.below(9);
                    if table < 1 << 40 {
                        mutant.set(table, 4, place);
                    }
                    let end = 512 * place + block + (block / 4096).max(512);
                    let near = end + mutant.random.pick(&[0, 1, 512]);
                    let less = mutant.random.pick(&[0, 1, 512]);
                    mutant.image.set_capacity(near - less);
                }
                10..12 => {
                    let table = mutant.number(header + 16, 8);
                    let entry = mutant
                        .random
                        .below(mutant.number(header + 28, 4).clamp(1, 64));
                    if table < 1 << 40 {
                        let last = mutant.image.capacity() / 512;
                        let near = last.saturating_sub(mutant.random.below(5000));
                        let special = [u64::MAX, 0, 1, 2, 3, 4, 5, 6, 8, near, near, near, last];
                        mutant.disturb(table + 4 * entry, 4, &special);
                    }
                }
                _ => {
                    mutant.resize(512, 40 * MIB);
                    if mutant.one_in(2) {
                        // The footer moves with the end.
                        let mut footer = [0; 512];
                        mutant.image.read(end, &mut footer);
                        let end = mutant.image.capacity().saturating_sub(512);
                        mutant.image.write(end, &footer);
                    }
                }
            }
        }
        for right in &mut which_is_right {
            *right = !mutant.one_in(8);
        }
        let [copy, last, dynamic] = which_is_right;
        // A copy that is not there stays away.
        if copy && mutant.number(0, 8) != 0 {
            put_checksum_right(mutant, 0, 512, 64);
        }
        if last {
            put_checksum_right(mutant, end, 512, 64);
        }
        if dynamic && mutant.number(header, 8) != 0 {
            put_checksum_right(mutant, header, 1024, 36);
        }
        if mutant.one_in(8) {
            // Only the footer at the end is left.
            mutant.image.write(0, &[0; 512]);
        }
    }

    #[test]
    fn mutants_get_the_models_answer() {
        compare(ScanFormat::Vhd, 190_000, mutate).assert_all(20);
    }
}

mod vhdx {
    use super::*;

    const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
    const REGION_TABLES: [u64; 2] = [192 * KIB, 256 * KIB];
    const HEADER: &[(u64, usize, &[u64])] = &[
        (0, 4, &[0]),
        (4, 4, &[0]),
        (8, 8, &[0, 1, 2, u64::MAX]),
        (16, 8, &[7]),
        (48, 8, &[1, 0]),
        (56, 8, &[1 << 63, 0]),
        (66, 2, &[0, 1, 2]),
        (68, 4, &[0, MIB, 2 * MIB, 3 * MIB, u64::MAX << 20]),
        (
            72,
            8,
            &[0, MIB, 2 * MIB, 3 * MIB, 100 * MIB, u64::MAX << 20],
        ),
        (4000, 8, &[1]),
    ];
    const REGION: &[(u64, usize, &[u64])] = &[
        (0, 8, &[0]),
        (8, 8, &[0]),
        (16, 8, &[0, MIB, 2 * MIB, 3 * MIB, 4 * MIB, 5 * MIB]),
        (24, 4, &[0, MIB, 2 * MIB]),
        (28, 4, &[0, 1]),
    ];
    const ITEM: &[(u64, usize, &[u64])] = &[
        (0, 8, &[0]),
        (8, 8, &[0]),
        (16, 4, &[0, 65_535, 65_536, MIB - 8, MIB - 4, MIB - 3]),
        (20, 4, &[4, 8, 16, 12]),
        (24, 4, &[0, 4]),
    ];

    const BAT: Guid = guid(
        (0x2dc2_7766, 0xf623, 0x4200),
        [0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08],
    );
    const METADATA: Guid = guid(
        (0x8b7c_a206, 0x4790, 0x4b9a),
        [0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e],
    );
    const FILE_PARAMETERS: Guid = guid(
        (0xcaa1_6737, 0xfa36, 0x4d43),
        [0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b],
    );
    const DISK_SIZE: Guid = guid(
        (0x2fa5_4224, 0xcd1b, 0x4876),
        [0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8],
    );
    const LOGICAL_SECTOR_SIZE: Guid = guid(
        (0x8141_bf1d, 0xa96f, 0x4709),
        [0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f],
    );
    const PARENT_LOCATOR: Guid = guid(
        (0xa8d3_5f2d, 0xb30b, 0x454d),
        [0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c],
    );

    type Guid = [u8; 16];

    /// A GUID as it lies in a file.
    const fn guid((a, b, c): (u32, u16, u16), last: [u8; 8]) -> Guid {
        let start =
            (a.to_be() as u128) << 96 | (b.to_be() as u128) << 80 | (c.to_be() as u128) << 64;
        (start | u64::from_be_bytes(last) as u128).to_be_bytes()
    }

    /// Where the entry with that GUID lies, among the first few of 32 bytes at byte `at`.
    fn entry_of(mutant: &Mutant, at: u64, guid: Guid) -> Option<u64> {
        (0..6)
            .map(|nth| at + 32 * nth)
            .find(|&entry| mutant.image.array(entry) == guid)
    }

    /// Where a region of a seed begins.
    fn region(mutant: &Mutant, guid: Guid) -> u64 {
        let entry = entry_of(mutant, REGION_TABLES[0] + 16, guid).expect("a region of the seed");
        mutant.number(entry + 16, 8)
    }

    /// Sets an item of the metadata at byte `metadata`, if it is there.
    fn set_item(mutant: &mut Mutant, metadata: u64, guid: Guid, length: usize, value: u64) {
        if let Some(entry) = entry_of(mutant, metadata + 32, guid) {
            let item = mutant.number(entry + 16, 4);
            mutant.set(metadata + item, length, value);
        }
    }

    fn put_checksum_right(mutant: &mut Mutant, start: u64, length: u64) {
        mutant.set(start + 4, 4, 0);
        let crc = of_pieces(start, length, mutant.image.pieces(start, length));
        mutant.set(start + 4, 4, crc.into());
    }

    fn disturb(mutant: &mut Mutant, start: u64, fields: &[(u64, usize, &[u64])]) {
        let (at, length, special) = mutant.random.pick(fields);
        mutant.disturb(start + at, length, special);
    }

    /// Appends entries to a table whose entries begin at `first`.
    fn append(mutant: &mut Mutant, count: u64, first: u64, field: (u64, usize), entry: &[u8; 32]) {
        mutant.image.write(first + 32 * count, entry);
        mutant.set(field.0, field.1, count + 1);
    }

    fn mutate(mutant: &mut Mutant) {
        let table = REGION_TABLES[0];
        let bat = region(mutant, BAT);
        let metadata = region(mutant, METADATA);
        let entry_counts = (table + 8, metadata + 10);
        for _ in 0..=mutant.random.below(3) {
            let regions = mutant.number(entry_counts.0, 4).min(40);
            let items = mutant.number(entry_counts.1, 2).min(40);
            match mutant.random.below(21) {
                0..3 => {
                    let header = mutant.random.pick(&HEADERS);
                    disturb(mutant, header, HEADER);
                }
                3 => {
                    // Both headers the same, or all but one field.
                    let mut header = [0; 4096];
                    mutant.image.read(HEADERS[0], &mut header);
                    mutant.image.write(HEADERS[1], &header);
                    if mutant.one_in(2) {
                        disturb(mutant, HEADERS[1], HEADER);
                    }
                }
                4..7 => {
                    let entry = mutant.random.below(regions.max(1));
                    disturb(mutant, table + 16 + 32 * entry, REGION);
                }
                7 => mutant.disturb(entry_counts.0, 4, &[0, 1, 2, 3, 2047, 2048]),
                8 => {
                    // More regions, which may overlap, be empty, or be too many.
                    let many = mutant.random.pick(&[1, 1, 2, 27, 28, 29, 30, 31]);
                    let apart = MIB * mutant.random.below(2);
                    let beyond = mutant.image.capacity().next_multiple_of(MIB);
                    mutant.image.set_capacity(beyond + many * MIB);
                    for nth in 0..many {
                        let mut entry = [0; 32];
                        let start = if apart == 0 {
                            MIB * nth
                        } else {
                            beyond + MIB * nth
                        };
                        let length = apart.max(MIB * u64::from(mutant.one_in(30)));
                        entry[0] = mutant.random.pick(&[1, 2, 3]);
                        entry[16..24].copy_from_slice(&start.to_le_bytes());
                        entry[24..28].copy_from_slice(&(length as u32).to_le_bytes());
                        entry[28] = u8::from(mutant.one_in(300));
                        append(
                            mutant,
                            regions + nth,
                            table + 16,
                            (entry_counts.0, 4),
                            &entry,
                        );
                    }
                }
                9 => {
                    // A region or an item twice.
                    let (first, count, field) = if mutant.one_in(2) {
                        (table + 16, regions, (entry_counts.0, 4))
                    } else {
                        (metadata + 32, items, (entry_counts.1, 2))
                    };
                    let mut entry = [0; 32];
                    let which = mutant.random.below(count.max(1));
                    mutant.image.read(first + 32 * which, &mut entry);
                    append(mutant, count, first, field, &entry);
                }
                10 | 11 => {
                    let entry = metadata + 32 + 32 * mutant.random.below(items.max(1));
                    if mutant.one_in(6) {
                        mutant.image.write(entry, &[0; 32]);
                    } else {
                        disturb(mutant, entry, ITEM);
                    }
                }
                12 => {
                    if mutant.one_in(2) {
                        mutant.disturb(entry_counts.1, 2, &[0, 4, 5, 6, 2047, 2048]);
                    } else {
                        mutant.disturb(metadata, 8, &[0]);
                    }
                }
                13 => {
                    let mut entry = [0; 32];
                    let mine = [9; 16];
                    entry[..16].copy_from_slice(if mutant.one_in(3) {
                        &PARENT_LOCATOR
                    } else {
                        &mine
                    });
                    entry[24] = mutant.random.pick(&[0, 1, 4, 7]);
                    append(mutant, items, metadata + 32, (entry_counts.1, 2), &entry);
                }
                14 | 15 => {
                    // The items themselves, wherever the table says that they are.
                    let entry = metadata + 32 + 32 * mutant.random.below(items.max(1));
                    let at = metadata + mutant.number(entry + 16, 4);
                    let special: Vec<u64> = (19..30)
                        .map(|bits| 1 << bits)
                        .chain([
                            512,
                            4096,
                            520,
                            64 << 40,
                            (64 << 40) + 512,
                            (64 << 40) - 4096,
                        ])
                        .collect();
                    match mutant.number(entry + 20, 4) {
                        4 => mutant.disturb(at, 4, &special),
                        8 if mutant.one_in(2) => mutant.disturb(at, 4, &special),
                        8 if mutant.one_in(2) => mutant.disturb(at + 4, 4, &[0, 1, 2, 3]),
                        8 => mutant.disturb(at, 8, &special),
                        _ => mutant.disturb(at, 8, &[0]),
                    }
                }
                16..19 => {
                    let state = mutant.random.pick(&[0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 7]);
                    let reserved = mutant.random.below(1 << 17) << 3;
                    let end = (mutant.image.capacity() >> 20).max(1);
                    let in_file = mutant
                        .random
                        .pick(&[0, 1, 2, 3, 4, 8, 8, end, end - 1, 1 << 43]);
                    // The first sector bitmap's entry may come at 16, 32, and so on.
                    let near = (16 << mutant.random.below(8)) - 1 + mutant.random.below(3);
                    let entry = mutant.random.below(24);
                    let entry = mutant.random.pick(&[entry, entry, near]);
                    mutant.set(bat + 8 * entry, 8, in_file << 20 | reserved | state);
                    if mutant.one_in(4) {
                        mutant.disturb(bat + 8 * entry, 8, &[6]);
                    }
                }
                19 => {
                    // A disk that ends where a chunk does or nearly, with blocks on both sides.
                    let bits = 20 + mutant.random.below(9);
                    let sector: u64 = mutant.random.pick(&[512, 4096]);
                    let ratio = (sector << 23) >> bits;
                    let chunks = 1 + mutant.random.below(2);
                    let blocks = ratio * chunks + mutant.random.below(3) - 1;
                    set_item(mutant, metadata, FILE_PARAMETERS, 4, 1 << bits);
                    set_item(mutant, metadata, LOGICAL_SECTOR_SIZE, 4, sector);
                    let size = (blocks << bits) + mutant.random.pick(&[0, 4096]);
                    set_item(mutant, metadata, DISK_SIZE, 8, size);
                    for entry in ratio.saturating_sub(2)..ratio + 3 {
                        let state = mutant.random.pick(&[0, 5, 6, 6]);
                        mutant.set(bat + 8 * entry, 8, 8 << 20 | state);
                    }
                    mutant.image.set_capacity((2 << bits) + 16 * MIB);
                }
                _ => mutant.resize(MIB, 48 * MIB),
            }
        }
        if mutant.one_in(4) {
            // The second region table says what the first says, and so may stand in for it.
            let mut entries = [0; 512];
            mutant.image.read(table, &mut entries);
            mutant.image.write(REGION_TABLES[1], &entries);
            put_checksum_right(mutant, REGION_TABLES[1], 64 * KIB);
        }
        for (starts, length) in [(HEADERS, 4 * KIB), (REGION_TABLES, 64 * KIB)] {
            for start in starts {
                if !mutant.one_in(8) {
                    put_checksum_right(mutant, start, length);
                }
            }
        }
        if mutant.one_in(50) {
            mutant.disturb(0, 8, &[0]);
        }
    }

    #[test]
    fn mutants_get_the_models_answer() {
        compare(ScanFormat::Vhdx, 12_000, mutate).assert_all(39);
    }

    /// What scanner and model say about a disk of that size in blocks of 2^`bits` bytes without data,
    /// whose BAT has `bat_length` bytes.
    fn of_large_disk(size: u64, bits: u32, bat_length: u64) -> Answer {
        let (_, _, image) = seeds(ScanFormat::Vhdx).swap_remove(0);
        let mut mutant = Mutant {
            image,
            random: Random(0),
            big_endian: false,
        };
        let metadata = region(&mutant, METADATA);
        set_item(&mut mutant, metadata, FILE_PARAMETERS, 4, 1 << bits);
        set_item(&mut mutant, metadata, DISK_SIZE, 8, size);
        let end = mutant.image.capacity().next_multiple_of(MIB);
        let entry = entry_of(&mutant, REGION_TABLES[0] + 16, BAT).expect("a BAT");
        mutant.set(entry + 16, 8, end);
        mutant.set(entry + 24, 4, bat_length);
        mutant.image.set_capacity(end + bat_length);
        put_checksum_right(&mut mutant, REGION_TABLES[0], 64 * KIB);
        let answer = ask(ScanFormat::Vhdx, &mutant.image, None);
        let model = scanners::scan(ScanFormat::Vhdx, &mutant.image, None);
        assert_eq!(answer.map_err(ScanErrorKind::from), model);
        answer
    }

    #[test]
    fn a_disk_has_at_most_64_tib() {
        let most = 64 << 40;
        assert_eq!(
            of_large_disk(most, 28, 3 * MIB),
            Ok(AllocationSummary::new(most, 0))
        );
        assert!(of_large_disk(most + 512, 28, 3 * MIB).is_err());
    }

    /// Whole chunks have no bitmap's entry at the end. Whether one is counted makes a difference only
    /// where the entries fill whole MiB, and of all disks of up to 64 TiB with sectors of 512 bytes
    /// there is one such: 16,257 chunks of 128 blocks of 32 MiB.
    #[test]
    fn the_last_chunk_needs_no_sector_bitmap() {
        let most = (16_257 * 128) << 25;
        let summary = AllocationSummary::new(most, 0);
        assert_eq!(of_large_disk(most, 25, 16 * MIB), Ok(summary));
        assert!(of_large_disk(most + 512, 25, 16 * MIB).is_err());
    }
}
