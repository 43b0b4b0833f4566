//! The model's scanners of qcow2 and VMDK and those under test give the same answer, in value and in
//! kind of error: on every seed, on seeds that were damaged, and on images made at random.
//!
//! Damage knows the fields. Most of it hits the header and the tables, with values at which something
//! changes; the rest cuts the image off or hits any byte. Each test counts which answers it saw, so
//! that it cannot pass by seeing one kind only.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use built_in::SUBJECT;
use harness_core::scan::{Image, ImageBytes, ScanCase};
use harness_core::subject::{ScanErrorKind, ScanFormat};
use model::scanners;
use sparse::SparseImage;
use testing::random::Random;
use types::AllocationSummary;

type Answer = Result<AllocationSummary, ScanErrorKind>;

/// How often each answer was given, by name.
type Seen = BTreeMap<&'static str, u64>;

#[test]
fn seeds_of_qcow2_damaged_or_not_get_the_same_answer() {
    let seen = seeds_and_damage(ScanFormat::Qcow2, 4000);
    assert_all_seen(&seen, 4000);
}

#[test]
fn seeds_of_vmdk_damaged_or_not_get_the_same_answer() {
    let seen = seeds_and_damage(ScanFormat::Vmdk, 8000);
    assert_all_seen(&seen, 4000);
}

#[test]
fn qcow2_images_made_at_random_get_the_same_answer() {
    let seen = random_images(ScanFormat::Qcow2, 40_000, random_qcow2);
    assert_all_seen(&seen, 300);
}

#[test]
fn vmdk_images_made_at_random_get_the_same_answer() {
    let seen = random_images(ScanFormat::Vmdk, 40_000, random_vmdk);
    assert_all_seen(&seen, 300);
}

/// Every answer that there is was given often. Few kinds of damage make an image another format.
fn assert_all_seen(seen: &Seen, least: u64) {
    println!("{seen:?}");
    for (answer, least) in [
        ("no data", least),
        ("data", least),
        ("corrupt", least),
        ("unsupported", least),
        ("another format", least / 40),
    ] {
        let times = seen.get(answer).copied().unwrap_or(0);
        assert!(times >= least, "{answer}: only {times} times");
    }
}

fn seeds_and_damage(format: ScanFormat, damaged: u64) -> Seen {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/seeds/fuzz_measure_scan");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("the seeds are there")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    paths.sort();
    let mut random = Random(1);
    let mut seen = Seen::new();
    let mut seeds = 0;
    for path in paths {
        let input = fs::read(&path).expect("the seed can be read");
        let case = ScanCase::decode(&input).expect("a seed is a case");
        if case.format != format {
            continue;
        }
        seeds += 1;
        let seed = match case.unpack() {
            Image::Sparse(image) => image,
            Image::Flat(bytes) => {
                let mut image = SparseImage::new(bytes.len() as u64);
                image.write(0, bytes);
                image
            }
        };
        let name = path.display().to_string();
        assert_same(format, case.unit, &seed, &mut seen, &name);
        assert!(scanners::scan(format, &seed, case.unit).is_ok(), "{name}");
        let places = Places::of(format, &seed);
        for nth in 0..damaged {
            let mut image = seed.clone();
            for _ in 0..random.pick(&[1, 1, 2, 3]) {
                places.damage(&mut image, &mut random);
            }
            let unit = any_unit(&mut random);
            assert_same(format, unit, &image, &mut seen, &format!("{name}, {nth}"));
        }
    }
    assert!(seeds >= 10, "only {seeds} seeds");
    seen
}

fn random_images(format: ScanFormat, count: u64, make: fn(&mut Random) -> SparseImage) -> Seen {
    let mut random = Random(2);
    let mut seen = Seen::new();
    for nth in 0..count {
        let mut image = make(&mut random);
        if random.below(4) == 0 {
            Places::of(format, &image).damage(&mut image, &mut random);
        }
        let unit = any_unit(&mut random);
        assert_same(format, unit, &image, &mut seen, &format!("image {nth}"));
    }
    seen
}

fn any_unit(random: &mut Random) -> Option<NonZeroU64> {
    NonZeroU64::new(match random.below(8) {
        0 | 1 => 0,
        2 => 1 + random.below(100_000),
        _ => 512 << random.below(16),
    })
}

fn assert_same(
    format: ScanFormat,
    unit: Option<NonZeroU64>,
    image: &SparseImage,
    seen: &mut Seen,
    what: &str,
) {
    let case = ScanCase {
        format,
        unit,
        image: ImageBytes::Flat(&[]),
    };
    let mut device = harness_core::MockDevice::new(512, 1);
    device.set_sparse_input(image);
    let tested: Answer = case
        .ask(SUBJECT.scanner, &device)
        .result
        .map_err(ScanErrorKind::from);
    let model: Answer = scanners::scan(format, image, unit);
    let mut header = [0; 112];
    image.read(0, &mut header);
    assert_eq!(
        tested,
        model,
        "under test and model differ: {what}, {} bytes, header {header:02x?}",
        image.capacity()
    );
    // An image that is there as plain bytes is no other.
    if image.capacity() <= 4096 {
        let mut bytes = vec![0; image.capacity() as usize];
        image.read(0, &mut bytes);
        assert_eq!(scanners::scan(format, &bytes[..], unit), model, "{what}");
    }
    let answer = match model {
        Ok(summary) if summary.allocated_bytes == 0 => "no data",
        Ok(_) => "data",
        Err(ScanErrorKind::Corrupt) => "corrupt",
        Err(ScanErrorKind::Unsupported) => "unsupported",
        Err(ScanErrorKind::NotThisFormat) => "another format",
        Err(kind) => panic!("{what}: {kind:?}"),
    };
    *seen.entry(answer).or_default() += 1;
}

/// A number in an image: where it is, and of how many bytes, at most 8.
#[derive(Clone, Copy)]
struct Place {
    at: u64,
    bytes: usize,
}

/// Where an image of a format has its numbers.
struct Places {
    big_endian: bool,
    fields: Vec<Place>,
    /// Entries of tables.
    words: Vec<Place>,
}

impl Places {
    fn of(format: ScanFormat, image: &SparseImage) -> Self {
        let mut places = Self {
            big_endian: format == ScanFormat::Qcow2,
            fields: Vec::new(),
            words: Vec::new(),
        };
        match format {
            ScanFormat::Qcow2 => places.find_in_qcow2(image),
            _ => places.find_in_vmdk(image),
        }
        places
    }

    fn find_in_qcow2(&mut self, image: &SparseImage) {
        self.add_fields(0, 1, &[104]);
        self.add_fields(0, 4, &[4, 16, 20, 32, 36, 56, 60, 96, 100]);
        self.add_fields(0, 8, &[8, 24, 40, 48, 64, 72, 88]);
        let l1 = self.get(image, Place { at: 40, bytes: 8 });
        self.add_words(image, l1, 8, 0x00ff_ffff_ffff_fe00, 1);
    }

    fn find_in_vmdk(&mut self, image: &SparseImage) {
        self.add_vmdk_header(0);
        let mut directory = self.get(image, Place { at: 56, bytes: 8 });
        if directory == u64::MAX {
            let [marker, header, end] = [3, 2, 1].map(|nth| image.capacity() - nth * 512);
            self.add_vmdk_header(header);
            for marker in [marker, end] {
                self.add_fields(marker, 8, &[0]);
                self.add_fields(marker, 4, &[8, 12]);
            }
            let at = header + 56;
            directory = self.get(image, Place { at, bytes: 8 });
        }
        self.add_words(image, directory * 512, 4, u64::MAX, 512);
    }

    fn add_vmdk_header(&mut self, start: u64) {
        self.add_fields(start, 2, &[77]);
        self.add_fields(start, 4, &[0, 4, 8, 44]);
        self.add_fields(start, 8, &[12, 20, 28, 36, 48, 56, 64]);
    }

    fn add_fields(&mut self, start: u64, bytes: usize, fields: &[u64]) {
        let fields = fields.iter().map(|at| start + at);
        self.fields.extend(fields.map(|at| Place { at, bytes }));
    }

    /// Adds the first entries of the table of tables at byte `directory`, and of the tables it names.
    fn add_words(
        &mut self,
        image: &SparseImage,
        directory: u64,
        bytes: usize,
        mask: u64,
        scale: u64,
    ) {
        let first = |start: u64, count: u64| {
            (0..count).map(move |nth| Place {
                at: start + nth * bytes as u64,
                bytes,
            })
        };
        let tables: Vec<Place> = first(directory, 6).collect();
        for &table in &tables {
            let offset = (self.get(image, table) & mask).wrapping_mul(scale);
            if offset != 0 && offset < image.capacity() {
                self.words.extend(first(offset, 16));
            }
        }
        self.words.extend(tables);
    }

    fn get(&self, image: &SparseImage, place: Place) -> u64 {
        let mut bytes = [0; 8];
        image.read(place.at, &mut bytes[..place.bytes]);
        if self.big_endian {
            bytes[..place.bytes].reverse();
        }
        u64::from_le_bytes(bytes)
    }

    fn put(&self, image: &mut SparseImage, place: Place, value: u64) {
        let mut bytes = value.to_le_bytes();
        if self.big_endian {
            bytes[..place.bytes].reverse();
        }
        image.write(place.at, &bytes[..place.bytes]);
    }

    fn damage(&self, image: &mut SparseImage, random: &mut Random) {
        let kind = random.below(10);
        let place = if kind < 5 {
            random.pick(&self.fields)
        } else {
            random.pick(&self.words)
        };
        let old = self.get(image, place);
        let new = match kind {
            0..=2 => a_limit(old, image.capacity(), random),
            3 | 5 => old ^ 1 << random.below(place.bytes as u64 * 8),
            4 => old.wrapping_add(random.below(5)).wrapping_sub(2),
            6 => an_entry(random) | a_limit(old, image.capacity(), random) & !0x1ff,
            7 => self.get(image, random.pick(&self.words)),
            8 => {
                let near = [0, 72, 104, 112, 512, 1536, place.at, image.capacity()];
                let capacity = random.pick(&near) + random.below(20);
                image.set_capacity(capacity.saturating_sub(10));
                return;
            }
            _ => {
                let byte = Place {
                    at: random.below(image.capacity().clamp(1, 1024)),
                    bytes: 1,
                };
                self.put(image, byte, random.next());
                return;
            }
        };
        self.put(image, place, new);
    }
}

/// A value at which something changes, of a field that was `old` in a file of `file` bytes.
fn a_limit(old: u64, file: u64, random: &mut Random) -> u64 {
    let near = match random.below(4) {
        0 => random.pick(&[0, 4, 8, 16, 72, 104, 112, 128, 512, 1024]),
        1 => 1 << random.pick(&[14, 16, 22, 31, 32, 54, 55, 62, 63]),
        2 => random.pick(&[file, file / 512, file.next_multiple_of(1 << 16)]),
        _ => random.pick(&[old, old << 1, old >> 1]),
    };
    match random.below(4) {
        0 => near.wrapping_sub(1),
        1 => near.wrapping_add(1),
        _ => near,
    }
}

/// The flags of a qcow2 entry, or a small number.
fn an_entry(random: &mut Random) -> u64 {
    let mut entry = 0;
    for bits in [1 << 63, 1 << 62, 1, 0x1fe, 0x3f << 56] {
        if random.below(3) == 0 {
            entry |= bits;
        }
    }
    entry
}

/// A qcow2 image whose header is sound; one in three has entries that are not.
fn random_qcow2(random: &mut Random) -> SparseImage {
    let bits = random.pick(&[9, 9, 10, 14, 14, 16]);
    let cluster: u64 = 1 << bits;
    let features = match bits {
        0..14 => random.pick(&[0, 0, 4]),
        _ => random.pick(&[0, 4, 16, 16, 20]) | random.pick(&[0, 0, 8]),
    };
    let version = if features == 0 {
        random.pick(&[2, 3])
    } else {
        3
    };
    let (external, extended) = (features & 4 != 0, features & 16 != 0);
    let entry_bytes = if extended { 16 } else { 8 };
    let coverage = cluster / entry_bytes * cluster;
    let tables = if bits < 14 { 1 + random.below(4) } else { 1 };
    // Large tables are mostly not walked to their ends, which takes time.
    let on_last = (coverage / cluster).min(40);
    let size = (tables - 1) * coverage + random.below(on_last * cluster + 1);
    let needed = size.div_ceil(coverage);
    let first_table = 1 + (needed * 8).div_ceil(cluster);
    let end = first_table + tables + random.below(3);

    let mut image = SparseImage::new(end * cluster - random.pick(&[0, 0, 0, 1, 600]));
    let mut put = |at: u64, bytes: &[u8]| image.write(at, bytes);
    put(0, b"QFI\xfb");
    put(4, &u32::to_be_bytes(version));
    put(20, &u32::to_be_bytes(bits));
    put(24, &size.to_be_bytes());
    put(
        32,
        &random.pick(&[0_u32, 0, 0, 0, 0, 0, 0, 2, 3]).to_be_bytes(),
    );
    put(36, &(needed as u32 + random.pick(&[0, 0, 1])).to_be_bytes());
    put(40, &cluster.to_be_bytes());
    put(48, &cluster.to_be_bytes());
    put(56, &1_u32.to_be_bytes());
    if version == 3 {
        put(72, &u64::to_be_bytes(features));
        put(96, &4_u32.to_be_bytes());
        put(100, &112_u32.to_be_bytes());
        put(104, &[u8::from(features & 8 != 0)]);
    }
    let sound = random.below(3) != 0;
    for nth in 0..needed {
        let table = match random.below(8) {
            0 => 0,
            1 => (first_table + random.below(tables)) * cluster,
            _ => (first_table + nth) * cluster,
        };
        let is_copied = u64::from(random.coin()) << 63;
        put(cluster + nth * 8, &(table | is_copied).to_be_bytes());
        let clusters = (size - nth * coverage)
            .div_ceil(cluster)
            .min(coverage / cluster);
        // Entries past the disk's end do not count.
        for entry in 0..(clusters + 2).min(coverage / cluster) {
            let guest = nth * coverage + entry * cluster;
            let host = if external {
                guest
            } else {
                random.below(20) * cluster
            };
            let bad = !sound && random.below(40) == 0 || entry >= clusters;
            let kind = random.below(if bad { 11 } else { 8 });
            let word = match kind {
                0 | 1 => 0,
                2 => host,
                3 if extended || version == 3 => host | 1 << 63 | 1,
                4 if extended || version == 3 => 1,
                5 if !external => 1 << 62 | random.next() >> 2,
                6 => host | 1 << 63 | 0x3f00_0000_0000_01fe,
                8 => host | an_entry(random),
                9 => host + 512 * random.below(3),
                10 => random.next(),
                _ => host | 1 << 63,
            };
            let at = (first_table + nth) * cluster + entry * entry_bytes;
            put(at, &word.to_be_bytes());
            if extended {
                let (data, zeros) = (random.next() & random.next(), random.next());
                let is_host = word & 0x00ff_ffff_ffff_fe00 != 0 || external && word >> 63 == 1;
                let bitmap = match random.below(4) {
                    _ if bad => random.next(),
                    0 => zeros << 32,
                    1 if is_host => 0xffff_ffff,
                    _ if is_host => (zeros & !data) << 32 | data & 0xffff_ffff,
                    _ => zeros << 32,
                };
                put(at + 8, &bitmap.to_be_bytes());
            }
        }
    }
    image
}

/// A VMDK image whose header is mostly sound; directories may name a table twice.
fn random_vmdk(random: &mut Random) -> SparseImage {
    let grain: u64 = 1 << random.below(8);
    let tables = 1 + random.below(4);
    let coverage = 512 * grain;
    // Tables are mostly not walked to their ends, which takes time.
    let full = if random.below(4) == 0 { tables - 1 } else { 0 };
    let capacity = full * coverage + random.below(60 * grain + 1);
    let has_footer = random.coin();
    let first_table = 2;
    let end = first_table + tables * 4 + random.below(3);

    let mut header = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(
        0,
        match random.below(16) {
            0 => b"COWD",
            1 => b"VMDK",
            _ => b"KDMV",
        },
    );
    put(4, &(1 + random.below(3) as u32).to_le_bytes());
    put(8, &(random.next() as u32).to_le_bytes());
    put(12, &capacity.to_le_bytes());
    put(20, &grain.to_le_bytes());
    put(28, &random.below(2).to_le_bytes());
    put(44, &512_u32.to_le_bytes());
    put(56, &1_u64.to_le_bytes());
    put(64, &random.below(end + 2).to_le_bytes());

    let footer = if has_footer { end * 512 } else { 0 };
    let length = end * 512 + if has_footer { 1536 } else { 0 };
    let mut image = SparseImage::new(length - random.pick(&[0, 0, 0, 0, 0, 1, 511]));
    if has_footer {
        image.write(footer + 12, &[3]);
        image.write(footer + 512, &header);
        header[56..64].fill(0xff);
    }
    image.write(0, &header);
    for nth in 0..capacity.div_ceil(coverage) {
        let table = match random.below(6) {
            0 => 0,
            1 => random.below(end + 3),
            _ => first_table + nth * 4,
        };
        image.write(512 + 4 * nth, &(table as u32).to_le_bytes());
        for entry in 0..random.below(80) {
            let any = random.next() as u32;
            let word = random.pick(&[0, 0, 1, 1, 2, 3, any]);
            image.write(
                first_table * 512 + nth * 2048 + entry * 4,
                &word.to_le_bytes(),
            );
        }
    }
    image
}
