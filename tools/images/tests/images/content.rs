//! What a recipe knows that its disk reads as is what QEMU reads.

use fastrand::Rng;
use harness_core::subject::ScanFormat;
use images::differential::recipes::undamaged;
use recipes::content::Content;
use recipes::vhdx::geometry::Log;
use recipes::vhdx::knobs::{LOG, LOG_FIRST, LOG_VERSION, ODDITY};
use recipes::{Recipe, qcow2};

use crate::qemu::Bench;

/// The largest files and disks that are compared, in bytes.
const LARGEST: u64 = 32 << 20;

fn is_zstd(recipe: &Recipe) -> bool {
    recipe.format == ScanFormat::Qcow2 && qcow2::geometry(recipe).zstd
}

/// Asserts that QEMU reads what is known of the disk, after it has replayed a log. Whether that could be asked.
fn is_read_alike(recipe: &Recipe, content: &Content, bench: &Bench) -> bool {
    let built = recipe.build();
    let image = built.image;
    // QEMU has disks of whole sectors.
    let size = content.virtual_size;
    if image.capacity().max(size) > LARGEST || !size.is_multiple_of(512) {
        return false;
    }
    let mut file = vec![0; image.capacity() as usize];
    content.fill.read(&image, 0, &mut file);
    bench.write("image", file);
    if let Some(truth) = built.truth.filter(|truth| truth.needs_replay) {
        if !bench.img("check -r all image").is_ok() {
            return false;
        }
        let replayed = model::scanners::scan(recipe.format, &bench.read("image")[..], None);
        let words = recipe.in_words();
        assert_eq!(replayed, Ok(truth.summary(None)), "{words}");
    }
    let format = match recipe.format {
        ScanFormat::Vhd => "vpc",
        format => format.name(),
    };
    // What it cannot read it writes as zeros.
    let convert = format!("convert --salvage -f {format} -O raw image disk");
    if content.is_encrypted || !bench.img(&convert).is_ok() {
        return false;
    }
    // It cuts what deflate makes at the cluster's end, and refuses what is too much for zstd and zlib.
    let refuses = is_zstd(recipe) || recipe.format == ScanFormat::Vmdk;
    let disk = bench.read("disk");
    let borders = content.borders();
    let between = borders.windows(2).map(|part| part[0].midpoint(part[1]));
    for at in between.chain(borders.iter().copied()) {
        let range = at.saturating_sub(300)..(at + 700).min(size);
        if let Some(due) = content.of(&range, &image) {
            let read = disk.get(range.start as usize..range.end as usize);
            assert!(
                read == Some(&due[..]) || refuses && content.swells(&range),
                "{range:?} of a {}",
                recipe.in_words()
            );
        }
    }
    true
}

#[test]
fn qemu_reads_what_is_known_of_a_recipes_disk() {
    type Kind = fn(&Recipe, &Content) -> bool;
    const DISKS: usize = 20;
    let all = ScanFormat::ALL.map(|format| (format, (|_, _| true) as Kind));
    let compressed: [(_, Kind); 4] = [
        (ScanFormat::Qcow2, |it, content| {
            content.has_streams() && !is_zstd(it)
        }),
        (ScanFormat::Qcow2, |it, content| {
            content.has_streams() && is_zstd(it)
        }),
        (ScanFormat::Qcow2, |it, content| {
            content.swells(&(0..u64::MAX)) && !is_zstd(it)
        }),
        (ScanFormat::Vmdk, |_, content| content.has_streams()),
    ];
    let bench = Bench::new();
    for (nth, (format, is_of_kind)) in all.into_iter().chain(compressed).enumerate() {
        let mut random = Rng::with_seed(0x636f_6e74);
        let recipes = std::iter::repeat_with(|| undamaged(format, &mut random)).take(20_000);
        let recipes = recipes.map(|bytes| Recipe::decode(&bytes).unwrap());
        let known = recipes.filter_map(|recipe| Some((recipe.content()?, recipe)));
        let of_kind = known.filter(|(content, recipe)| is_of_kind(recipe, content));
        let alike = of_kind.filter(|(content, recipe)| is_read_alike(recipe, content, &bench));
        assert_eq!(alike.take(DISKS).count(), DISKS, "{} {nth}", format.name());
    }
}

#[test]
fn qemu_replays_a_log_to_what_the_recipe_states() {
    let bench = Bench::new();
    let mut random = Rng::with_seed(0x6c6f_6773);
    for log in Log::ALL.into_iter().filter(|log| *log < Log::Unanchored) {
        let draw = || {
            let mut bytes = undamaged(ScanFormat::Vhdx, &mut random);
            bytes[LOG_VERSION..LOG].fill(0);
            (bytes[ODDITY], bytes[LOG]) = (0, 0x60 | log as u8 | random.u8(..4) << 3);
            // QEMU takes entries that begin behind the ring's end for a sequence of their own.
            bytes[LOG_FIRST] = if log == Log::One { random.u8(..3) } else { 40 };
            Recipe::decode(&bytes).unwrap()
        };
        let recipes = std::iter::repeat_with(draw).take(500);
        let alike = recipes.filter(|recipe| {
            let truth = recipe.build().truth;
            let content = recipe
                .content()
                .filter(|_| truth.is_some_and(|it| it.needs_replay));
            content.is_some_and(|content| is_read_alike(recipe, &content, &bench))
        });
        assert_eq!(alike.take(8).count(), 8, "{log:?}");
    }
}
