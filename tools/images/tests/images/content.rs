//! What a recipe knows that its disk reads as is what QEMU reads.

use fastrand::Rng;
use harness_core::subject::ScanFormat;
use images::differential::recipes::undamaged;
use recipes::Recipe;

use crate::qemu::Bench;

/// The largest files and disks that are compared, in bytes.
const LARGEST: u64 = 32 << 20;

/// Asserts that QEMU reads what is known of the disk. Whether that could be asked.
fn is_read_alike(recipe: &Recipe, bench: &Bench) -> bool {
    let image = recipe.build().image;
    let Some(content) = recipe.content() else {
        return false;
    };
    // QEMU has disks of whole sectors.
    let size = content.virtual_size;
    if image.capacity().max(size) > LARGEST || !size.is_multiple_of(512) {
        return false;
    }
    let mut file = vec![0; image.capacity() as usize];
    content.fill.read(&image, 0, &mut file);
    bench.write("image", file);
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
    const DISKS: usize = 20;
    let bench = Bench::new();
    for format in ScanFormat::ALL {
        let mut random = Rng::with_seed(0x636f_6e74);
        let recipes = std::iter::repeat_with(|| undamaged(format, &mut random)).take(2000);
        let recipes = recipes.map(|bytes| Recipe::decode(&bytes).unwrap());
        let alike = recipes.filter(|recipe| is_read_alike(recipe, &bench));
        assert_eq!(alike.take(DISKS).count(), DISKS, "{}", format.name());
    }
}
