//! Damaged images: the scanner refuses them where qemu-img does, and else both give one number.

use testing::grid::Grid;

use crate::{new_grid, place, table};

/// Images without and with zeroed grains, and with compressed ones.
fn specimens(grid: &mut Grid) -> [Vec<u8>; 3] {
    let writes = ["write -P 1 64k 128k", "write -z 256k 128k"];
    let plain = grid.create("zeroed_grain=off", "4M").io(&writes).bytes();
    let zeroed = grid.create("zeroed_grain=on", "4M").io(&writes).bytes();
    let stream = grid
        .convert(&["-o", "subformat=streamOptimized"], 4 << 20, &writes)
        .bytes();
    [plain, zeroed, stream]
}

#[test]
fn damaged_entries_are_refused_where_qemu_img_refuses_them() {
    let mut grid = new_grid();
    for sound in specimens(&mut grid) {
        let directory = place(&sound, 56);
        let table = table(&sound, directory);
        let sectors = sound.len() as u64 / 512;
        // Tables that lie in the file, and grains anywhere.
        let tables = [0, 1, 2, 20, sectors - 5, sectors - 4];
        let grains = [
            0,
            1,
            2,
            3,
            127,
            128,
            129,
            sectors - 1,
            sectors,
            sectors + 1,
            1 << 31,
            u64::MAX,
        ];
        let damage = tables
            .map(|value| (directory, value))
            .into_iter()
            .chain(grains.map(|value| (table, value)))
            .chain(grains.map(|value| (table + 4, value)))
            .chain(grains.map(|value| (table + 4 * 63, value)));
        let fields = damage.map(|(at, value)| (at, 4, value));
        // No entry of a VMDK is refused.
        assert_eq!(grid.compare_fields(&sound, false, fields), (42, 0));
    }
}

/// Left out are fields where a difference is known: version 0, grain sizes and table lengths that
/// are unsupported, tables past the end of the file.
#[test]
fn damaged_headers_are_refused_where_qemu_img_refuses_them() {
    let mut grid = new_grid();
    let mut refused = 0;
    for sound in specimens(&mut grid) {
        let sectors = sound.len() as u64 / 512;
        let mut damage = vec![
            (4, 4, 1),
            (4, 4, 2),
            (4, 4, 3),
            (4, 4, 4),
            (4, 4, u64::MAX),
            (44, 4, 0),
            (44, 4, 513),
            (44, 4, u64::MAX),
            (72, 1, 1),
            (73, 4, 0),
            (77, 2, 0),
            (77, 2, 1),
            (77, 2, 2),
            (77, 2, u64::MAX),
            (79, 8, u64::MAX),
        ];
        damage.extend([0, 1, 127, 128, 129, 8191, 8193, 65536].map(|capacity| (12, 8, capacity)));
        damage.extend([1 << 54, 1 << 55, 1 << 63, u64::MAX].map(|capacity| (12, 8, capacity)));
        damage.extend((0..8).map(|bits| (20, 8, 1 << bits)));
        damage.extend([0, 0x20_0001, 1 << 32, 1 << 63, u64::MAX].map(|grain| (20, 8, grain)));
        damage.extend([0, 1, 20, 1 << 40].map(|descriptor| (28, 8, descriptor)));
        damage.extend([0, 1, 1 << 40].map(|size| (36, 8, size)));
        damage.extend([0, 1, 1 << 40].map(|directory| (48, 8, directory)));
        damage.extend([u64::MAX, u64::MAX - 1].map(|directory| (56, 8, directory)));
        damage.extend(
            [
                0,
                1,
                sectors - 1,
                sectors,
                sectors + 1,
                1 << 40,
                1 << 55,
                1 << 63,
                u64::MAX,
            ]
            .map(|overhead| (64, 8, overhead)),
        );
        damage.extend((0..32).map(|bit| (8, 4, 3 ^ 1 << bit)));
        let (compared, both_refuse) = grid.compare_fields(&sound, false, damage);
        assert_eq!(compared, 93);
        refused += both_refuse;
    }
    assert!(refused > 60);
}
