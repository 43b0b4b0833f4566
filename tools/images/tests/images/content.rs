//! What a recipe knows that its disk reads as is what QEMU reads.

use fastrand::Rng;
use harness_core::subject::ScanFormat;
use images::differential::recipes::undamaged;
use recipes::Recipe;
use recipes::vhdx::geometry::Log;
use recipes::vhdx::knobs::{LOG, LOG_FIRST, LOG_VERSION, ODDITY};

use crate::qemu::Bench;

/// The largest files and disks that are compared, in bytes.
const LARGEST: u64 = 32 << 20;

/// Asserts that QEMU reads what is known of the disk, after it has replayed a log. Whether that could be asked.
fn is_read_alike(recipe: &Recipe, bench: &Bench) -> bool {
    let built = recipe.build();
    let (Some(truth), Some(content)) = (built.truth, recipe.content()) else {
        return false;
    };
    let image = built.image;
    // QEMU has disks of whole sectors.
    let size = content.virtual_size;
    if image.capacity().max(size) > LARGEST || !size.is_multiple_of(512) {
        return false;
    }
    let mut file = vec![0; image.capacity() as usize];
    content.fill.read(&image, 0, &mut file);
    bench.write("image", file);
    if truth.needs_replay {
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
    if !bench
        .img(&format!("convert -f {format} -O raw image disk"))
        .is_ok()
    {
        return false;
    }
    let disk = bench.read("disk");
    let borders = content.borders();
    let between = borders.windows(2).map(|part| part[0].midpoint(part[1]));
    for at in between.chain(borders.iter().copied()) {
        let range = at.saturating_sub(300)..(at + 700).min(size);
        if let Some(due) = content.of(&range, &image) {
            let read = disk.get(range.start as usize..range.end as usize);
            assert!(
                read == Some(&due[..]),
                "{range:?} of a {}",
                recipe.in_words()
            );
        }
    }
    true
}

#[test]
fn qemu_reads_what_is_known_of_a_recipes_disk() {
    let bench = Bench::new();
    let logs = Log::ALL.into_iter().filter(|log| *log < Log::Unanchored);
    let logs = logs.map(|log| (ScanFormat::Vhdx, Some(log), 8));
    let formats = ScanFormat::ALL.map(|format| (format, None, 20));
    for (format, log, disks) in formats.into_iter().chain(logs) {
        let mut random = Rng::with_seed(0x636f_6e74);
        let draw = || {
            let mut bytes = undamaged(format, &mut random);
            if let Some(log) = log {
                bytes[LOG_VERSION..LOG].fill(0);
                (bytes[ODDITY], bytes[LOG]) = (0, 0x60 | log as u8 | random.u8(..4) << 3);
                // QEMU takes entries that begin behind the ring's end for a sequence of their own.
                bytes[LOG_FIRST] = if log == Log::One { random.u8(..3) } else { 40 };
            }
            Recipe::decode(&bytes).unwrap()
        };
        let recipes = std::iter::repeat_with(draw).take(2000);
        let alike = recipes.filter(|recipe| {
            let replays = |_| recipe.build().truth.is_some_and(|it| it.needs_replay);
            log.is_none_or(replays) && is_read_alike(recipe, &bench)
        });
        let alike = alike.take(disks).count();
        assert_eq!(alike, disks, "{} {log:?}", format.name());
    }
}
