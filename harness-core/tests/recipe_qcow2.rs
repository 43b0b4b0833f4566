//! Recipes of qcow2 images: every byte string makes one, the scanner finds in it what the recipe says,
//! and qemu-img takes it for a real image.

#[path = "recipe_qcow2/qemu.rs"]
mod qemu;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::num::NonZeroU64;

use harness_core::BUILT_IN;
use harness_core::device::MockDevice;
use harness_core::recipe::conditions::End;
use harness_core::recipe::qcow2::geometry;
use harness_core::recipe::qcow2::geometry::{
    CLUSTER_BITS, Encryption, FileEnd, L1Length, Part, REFCOUNT_ORDERS,
};
use harness_core::recipe::qcow2::header::Oddity;
use harness_core::recipe::qcow2::units::{FIRST_ODD, Kind};
use harness_core::recipe::{Built, LENGTH, Recipe, at, runs};
use harness_core::sparse::SparseImage;
use harness_core::subject::{ScanErrorKind, ScanFormat, ScanRequest};
use shared::AllocationSummary;
use testing::qemu::Folder;
use testing::random::Random;

type Answer = Result<AllocationSummary, ScanErrorKind>;

/// A recipe's bytes.
type Bytes = [u8; LENGTH];

fn decode(bytes: &[u8]) -> Recipe {
    Recipe::decode(bytes).expect("it is of version 0")
}

/// A recipe of an undamaged image on a device that ends with it: mostly zeros, or anything.
fn random_bytes(random: &mut Random, mostly_zeros: bool) -> Bytes {
    let mut bytes = [0; LENGTH];
    for byte in &mut bytes {
        if !mostly_zeros || random.below(4) == 0 {
            *byte = random.next() as u8;
        }
    }
    if mostly_zeros {
        // A disk of up to 2^15 clusters, and some data on it.
        bytes[at::SIZE_MODE] = (random.below(16) as u8) << 2;
        if random.below(16) == 0 {
            bytes[at::SIZE_MODE] |= 1 + random.below(3) as u8;
        }
        bytes[at::SIZE..at::SIZE_TAIL].copy_from_slice(&random.next().to_le_bytes());
        let runs = random.index(runs::COUNT + 1);
        for run in bytes[at::RUNS..].chunks_exact_mut(4).take(runs) {
            run.copy_from_slice(&(random.next() as u32).to_le_bytes());
        }
    }
    bytes[at::FORMAT] = 0;
    bytes[at::CHECKSUMS] = 0;
    bytes[at::END_MODE] = 0;
    for damage in bytes[at::DAMAGES..at::RARE].chunks_exact_mut(8) {
        damage[0] &= !3;
    }
    bytes
}

/// The same without what is rare: nothing odd about the header, odd clusters, keys.
fn make_usual(bytes: &mut Bytes) {
    bytes[at::RARE..].fill(0);
    bytes[at::GEOMETRY + 4] = 0;
    for run in bytes[at::RUNS..at::DAMAGES].chunks_exact_mut(4) {
        run[3] %= FIRST_ODD;
    }
}

/// The same on a device that ends up to 64 KiB before the file, and as often as not inside a table.
fn cut_the_end(bytes: &mut Bytes, random: &mut Random) {
    bytes[at::END_MODE] = 4;
    let cut = random.next() as u16 >> random.below(16);
    bytes[at::END..at::END + 2].copy_from_slice(&cut.to_le_bytes());
    if random.coin() {
        // Refcounts first, and then L2 or L1 last.
        bytes[at::GEOMETRY + 11] = random.pick(&[1, 2]);
    }
}

fn scan(recipe: &Recipe, image: &SparseImage) -> Answer {
    let sector_size = recipe.conditions.sector_size;
    let mut device = MockDevice::new(sector_size, recipe.conditions.index);
    device.set_sparse_input(image);
    let mut caches = [(); 2].map(|()| vec![0xee; sector_size as usize]);
    let [first, second] = &mut caches;
    let answer = BUILT_IN.scanner.scan(ScanRequest {
        format: ScanFormat::Qcow2,
        calls: device.build_call_table(),
        device: recipe.conditions.index,
        caches: [first, second],
        unit: recipe.unit,
        twice: false,
    });
    assert_eq!(device.misuse(), None);
    assert!(device.bytes_served() <= 8 << 20, "a scan reads too much");
    answer.result.map_err(ScanErrorKind::from)
}

fn assert_truth(recipe: &Recipe, built: &Built) -> Answer {
    let truth = built.truth.as_ref().expect("it is not damaged");
    let expected = truth.answer(recipe.unit).expect("it is always known");
    let answer = scan(recipe, &built.image);
    assert_eq!(answer, expected, "{}", recipe.in_words());
    if let (Some(own), Ok(_)) = (truth.own_size, answer) {
        let unit = NonZeroU64::new(own.options.unit(truth.virtual_size));
        let summary = truth
            .answer(unit)
            .expect("it is known")
            .expect("it is not refused");
        let required = own
            .options
            .ask(BUILT_IN.calculators, &summary)
            .expect("the image's own options are legal")
            .required;
        assert!(
            (own.at_least..=own.at_most).contains(&required),
            "{required} is not {} to {}: {}",
            own.at_least,
            own.at_most,
            recipe.in_words()
        );
        assert!(own.at_most - own.at_least <= own.at_least / 8 + (8 << 20));
    }
    answer
}

#[test]
fn nothing_at_all_is_the_empty_image_that_qemu_makes() {
    let folder = Folder::new();
    folder.create("qcow2", "", "empty", 0);
    let built = decode(&[]).build();
    let length = folder.length("empty");
    assert_eq!(built.image.capacity(), length);
    let mut bytes = vec![0; length as usize];
    built.image.read(0, &mut bytes);
    let mut expected = folder.read("empty");
    // The names of features, which a recipe has not by default.
    expected[112..512].fill(0);
    assert!(bytes == expected, "the images differ");
}

/// What a byte says, and what it says then.
macro_rules! knobs {
    ($bytes:ident: $($at:expr => $value:expr, $then:expr, $knob:expr;)*) => {
        $(
            let mut $bytes = [0; LENGTH];
            $bytes[$at] = $value;
            let knob: fn(&Bytes) -> _ = $knob;
            assert_eq!(knob(&$bytes), $then, "byte {}", $at);
            assert_ne!(knob(&[0; LENGTH]), $then, "byte {}", $at);
        )*
    };
}

#[test]
fn each_byte_is_the_knob_that_it_is_said_to_be() {
    knobs! { bytes:
        24 => 1, 9, |it| geometry(&decode(it)).cluster_bits;
        24 => 14, 9, |it| geometry(&decode(it)).cluster_bits;
        25 => 1, 2, |it| geometry(&decode(it)).version;
        25 => 1, 72, |it| geometry(&decode(it)).header_length;
        26 => 6, 6, |it| geometry(&decode(it)).refcount_order;
        27 => 1, true, |it| geometry(&decode(it)).extended_l2;
        27 => 2, true, |it| geometry(&decode(it)).external_data;
        27 => 6, true, |it| geometry(&decode(it)).raw_external_data;
        27 => 8, true, |it| geometry(&decode(it)).zstd;
        27 => 16, true, |it| geometry(&decode(it)).dirty;
        27 => 32, true, |it| geometry(&decode(it)).corrupt;
        28 => 6, Encryption::Luks, |it| geometry(&decode(it)).encryption;
        28 => 15, Encryption::Aes, |it| geometry(&decode(it)).encryption;
        29 => 1, 104, |it| geometry(&decode(it)).header_length;
        29 => 2, 120, |it| geometry(&decode(it)).header_length;
        29 => 51, 512, |it| geometry(&decode(it)).header_length;
        30 => 1, true, |it| geometry(&decode(it)).extensions.backing_format;
        30 => 2, true, |it| geometry(&decode(it)).extensions.feature_names;
        30 => 4, Some(0), |it| geometry(&decode(it)).extensions.unknown;
        30 => 8, true, |it| geometry(&decode(it)).extensions.unknown_empty;
        30 => 16, false, |it| geometry(&decode(it)).extensions.end_marker;
        32 => 255, 255, |it| geometry(&decode(it)).backing_name;
        33 => 7, 0x300, |it| geometry(&decode(it)).backing_name;
        34 => 1, true, |it| geometry(&decode(it)).backing_name_last;
        35 => 23, [Part::Data, Part::L2, Part::L1, Part::Refcounts], |it| geometry(&decode(it)).order;
        36 => 1, true, |it| geometry(&decode(it)).interleaved;
        36 => 2, true, |it| geometry(&decode(it)).l2_reversed;
        36 => 4, true, |it| geometry(&decode(it)).data_reversed;
        37 => 0x23, 12, |it| geometry(&decode(it)).gap;
        38 => 0x1f, 15, |it| geometry(&decode(it)).gap_before;
        39 => 0xff, 15 << 7, |it| geometry(&decode(it)).data_gap;
        40 => 3, 3, |it| geometry(&decode(it)).snapshots;
        40 => 6, 2, |it| geometry(&decode(it)).sharing_snapshots();
        41 => 1, L1Length::More(1), |it| geometry(&decode(it)).l1_length;
        41 => 3, L1Length::WholeClusters(0), |it| geometry(&decode(it)).l1_length;
        41 => 13, L1Length::Limit(0), |it| geometry(&decode(it)).l1_length;
        43 => 9, FileEnd::Cut(9), |it| geometry(&decode(it)).end;
        44 => 0x81, FileEnd::Grown(256), |it| geometry(&decode(it)).end;
        45 => 7, 7, |it| geometry(&decode(it)).compressed_sectors;
        46 => 7, 7, |it| geometry(&decode(it)).compressed_step;
        47 => 7, 3, |it| geometry(&decode(it)).refcount_spare;
        48 => 1, 1, |it| geometry(&decode(it)).compatible;
        49 => 7, 5, |it| geometry(&decode(it)).autoclear;
        152 => 128, Oddity::UnknownFeature, |it| geometry(&decode(it)).oddity;
        152 => 254, Oddity::ALL[126 % Oddity::ALL.len()], |it| geometry(&decode(it)).oddity;
        153 => 3, 3, |it| geometry(&decode(it)).oddity_argument;
        154 => 3, 3, |it| geometry(&decode(it)).l1_reserved;
        155 => 0x81, 1 << 56, |it| geometry(&decode(it)).l1_reserved;
        156 => 0xe0, true, |it| geometry(&decode(it)).l1_nonsense;
        157 => 0xe0, true, |it| geometry(&decode(it)).any_size;
    }
    let mut bytes = [0; LENGTH];
    bytes[31] = 77;
    bytes[30] = 4;
    assert_eq!(geometry(&decode(&bytes)).extensions.unknown, Some(77));
    bytes[42] = 2;
    for (mode, length) in [
        (2, L1Length::More(2)),
        (4, L1Length::WholeClusters(2)),
        (5, L1Length::Limit(2)),
    ] {
        bytes[41] = mode;
        assert_eq!(geometry(&decode(&bytes)).l1_length, length);
    }
}

#[test]
fn kinds_have_the_numbers_that_they_are_said_to_have() {
    let numbered = [
        (0, Kind::Data),
        (1, Kind::Zero),
        (2, Kind::ZeroWithHost),
        (3, Kind::Compressed),
        (4, Kind::CompressedShared),
        (5, Kind::Bare),
        (6, Kind::Data),
        (0xe0, Kind::PastEnd),
        (0xe1, Kind::NotCopied),
        (0xe2, Kind::ReservedBits),
        (0xe3, Kind::ZeroFlag),
        (0xe4, Kind::Unaligned),
        (0xe5, Kind::CompressedWithBitmap),
        (0xe6, Kind::BothBits),
        (0xff, Kind::DataWithoutHost),
    ];
    for (number, kind) in numbered {
        assert_eq!(Kind::decode(number), kind);
    }
}

/// How often something was seen.
#[derive(Default)]
struct Seen(BTreeMap<String, u64>);

impl Seen {
    fn note(&mut self, what: &str, value: impl Debug) {
        *self.0.entry(format!("{what} {value:?}")).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        for (name, times) in other.0 {
            *self.0.entry(name).or_default() += times;
        }
    }

    fn assert_all(&self, what: &str, values: impl IntoIterator<Item = impl Debug>) {
        for value in values {
            let name = format!("{what} {value:?}");
            assert!(self.0.contains_key(&name), "{name} was never seen");
        }
    }
}

#[test]
fn the_scanner_finds_in_an_image_what_its_recipe_says() {
    let halves = [11, 12].map(|seed| std::thread::spawn(move || scan_many(seed, RECIPES / 2)));
    let mut seen = Seen::default();
    for half in halves {
        seen.add(half.join().expect("one half agrees"));
    }
    assert_all_reached(&seen);
}

/// How many recipes the scanner is asked about.
const RECIPES: u64 = 20_000;

fn scan_many(seed: u64, recipes: u64) -> Seen {
    let mut random = Random(seed);
    let mut seen = Seen::default();
    for nth in 0..recipes {
        let mut bytes = random_bytes(&mut random, nth % 8 != 0);
        if nth % 2 == 0 {
            make_usual(&mut bytes);
        }
        let recipe = decode(&bytes);
        assert_eq!(recipe.conditions.end, End::OfFile);
        let answer = assert_truth(&recipe, &recipe.build());
        note_what_it_reaches(&recipe, answer, &mut seen);
    }
    seen
}

#[test]
fn the_scanner_finds_the_same_when_only_zeroes_of_the_last_cluster_are_missing() {
    let mut random = Random(13);
    let mut seen = Seen::default();
    for nth in 0..RECIPES / 2 {
        let mut bytes = random_bytes(&mut random, true);
        if nth % 2 == 0 {
            make_usual(&mut bytes);
        }
        cut_the_end(&mut bytes, &mut random);
        let recipe = decode(&bytes);
        let file = recipe.build().image.capacity();
        let built = recipe.build().on_device(&recipe.conditions);
        let missing = file - built.image.capacity();
        if built.truth.is_none() {
            seen.note("not the same", missing > geometry(&recipe).cluster());
            continue;
        }
        let answer = assert_truth(&recipe, &built);
        if missing != 0 {
            let last = geometry(&recipe).order[3];
            let has_data = answer.is_ok_and(|it| it.allocated_bytes != 0);
            seen.note("the same", (last, has_data));
        }
    }
    seen.assert_all("not the same", [false, true]);
    for last in [Part::Refcounts, Part::L1, Part::L2, Part::Data] {
        seen.assert_all("the same", [(last, true), (last, false)]);
    }
}

fn note_what_it_reaches(recipe: &Recipe, answer: Answer, seen: &mut Seen) {
    let it = geometry(recipe);
    seen.note("answer", answer.map(|it| it.allocated_bytes != 0));
    seen.note("oddity", (it.oddity, answer.err()));
    seen.note("version", it.version);
    seen.note("cluster", (it.cluster_bits, it.extended_l2));
    seen.note("refcounts", it.refcount_order);
    seen.note(
        "features",
        (it.external_data, it.raw_external_data, it.zstd),
    );
    seen.note("marks", (it.dirty, it.corrupt));
    seen.note("encryption", it.encryption);
    seen.note("header", it.header_length);
    seen.note("order", it.order);
    seen.note("turned", (it.interleaved, it.l2_reversed, it.data_reversed));
    seen.note("snapshots", (it.snapshots, it.sharing_snapshots()));
    seen.note("backing", (it.backing_name.min(2), it.backing_name_last));
    seen.note("nonsense", (it.l1_nonsense, it.l1_reserved != 0));
    seen.note(
        "L1",
        match it.l1_length {
            L1Length::More(more) => L1Length::More(more.min(2)),
            L1Length::WholeClusters(more) => L1Length::WholeClusters(more.min(1)),
            limit => limit,
        },
    );
    seen.note(
        "end",
        match it.end {
            FileEnd::Cut(bytes) => FileEnd::Cut(bytes.min(1)),
            FileEnd::Grown(_) => FileEnd::Grown(0),
        },
    );
    if let Ok(summary) = answer {
        let on_disk = summary.virtual_size.div_ceil(it.cluster());
        for unit in recipe.runs.units(on_disk, on_disk) {
            seen.note("kind", (Kind::decode(unit.kind), it.version));
            if it.extended_l2 {
                seen.note("pattern", (Kind::decode(unit.kind), unit.extra));
            }
        }
    }
}

fn assert_all_reached(seen: &Seen) {
    let flags = [false, true];
    seen.assert_all("answer", [Answer::Ok].map(|_| Ok::<_, ScanErrorKind>(true)));
    seen.assert_all("answer", [Ok::<_, ScanErrorKind>(false)]);
    for kind in [
        ScanErrorKind::NotThisFormat,
        ScanErrorKind::Unsupported,
        ScanErrorKind::Corrupt,
    ] {
        seen.assert_all("answer", [Err::<bool, _>(kind)]);
    }
    for oddity in Oddity::ALL {
        seen.assert_all("oddity", [(oddity, refusal(oddity))]);
    }
    seen.assert_all("version", [2, 3]);
    seen.assert_all("cluster", CLUSTER_BITS.map(|bits| (bits, false)));
    seen.assert_all("cluster", (14..=21).map(|bits| (bits, true)));
    seen.assert_all("refcounts", REFCOUNT_ORDERS);
    for zstd in flags {
        for external in [(false, false), (true, false), (true, true)] {
            seen.assert_all("features", [(external.0, external.1, zstd)]);
        }
        seen.assert_all("marks", flags.map(|flag| (flag, zstd)));
        seen.assert_all("nonsense", flags.map(|flag| (flag, zstd)));
        seen.assert_all("backing", [0, 1, 2].map(|length| (length, zstd)));
        for more in flags {
            seen.assert_all("turned", flags.map(|flag| (flag, zstd, more)));
        }
    }
    seen.assert_all(
        "encryption",
        [Encryption::None, Encryption::Luks, Encryption::Aes],
    );
    seen.assert_all("header", [72, 104]);
    seen.assert_all("header", (112..=512).step_by(8));
    let orders = seen.0.keys().filter(|name| name.starts_with("order"));
    assert_eq!(orders.count(), 24);
    seen.assert_all(
        "snapshots",
        [(0, 0), (1, 0), (2, 0), (3, 0), (1, 1), (2, 2), (3, 3)],
    );
    seen.assert_all("L1", [0, 1, 2].map(L1Length::More));
    seen.assert_all("L1", [0, 1].map(L1Length::WholeClusters));
    seen.assert_all("L1", [0, 1, 2].map(L1Length::Limit));
    seen.assert_all("end", [FileEnd::Cut(0), FileEnd::Cut(1), FileEnd::Grown(0)]);
    let usual = (0..6).map(Kind::decode);
    seen.assert_all(
        "kind",
        usual.clone().flat_map(|kind| [(kind, 2), (kind, 3)]),
    );
    let odd = (FIRST_ODD..FIRST_ODD + 4).map(Kind::decode);
    seen.assert_all("kind", odd.map(|kind| (kind, 3)));
    seen.assert_all(
        "pattern",
        usual.flat_map(|kind| (0..8).map(move |extra| (kind, extra))),
    );
}

/// How a scanner must refuse what is odd.
fn refusal(oddity: Oddity) -> Option<ScanErrorKind> {
    match oddity {
        Oddity::Magic => Some(ScanErrorKind::NotThisFormat),
        Oddity::UnknownFeature | Oddity::Version | Oddity::Encryption | Oddity::CompressionType => {
            Some(ScanErrorKind::Unsupported)
        }
        Oddity::None
        | Oddity::MostSnapshots
        | Oddity::LargestRefcountTable
        | Oddity::HeaderUnaligned
        | Oddity::HeaderOfACluster
        | Oddity::BackingNameAtEnd
        | Oddity::RefcountTableAlmostFar
        | Oddity::SnapshotsAlmostFar => None,
        _ => Some(ScanErrorKind::Corrupt),
    }
}
