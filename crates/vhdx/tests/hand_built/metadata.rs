//! The metadata table, its items and what they say: each error with its text.

use crate::image::{Image, Item, M, PARENT_LOCATOR};
use crate::{SAMPLE, after};
use shared::ScanError::{Corrupt, Unsupported};

#[test]
fn the_metadata_table_is_verified() {
    assert_eq!(
        after(|image| image.metadata_signature = *b"metadat\0"),
        Err(Corrupt(
            "the metadata table does not begin with its signature"
        ))
    );
    assert_eq!(
        after(|image| image.item_count = Some(2048)),
        Err(Corrupt("the metadata table has more than 2047 entries"))
    );
    assert_eq!(after(|image| image.item_count = Some(2047)), Ok(SAMPLE));
    for (index, text) in [
        "the metadata have no file parameters",
        "the metadata have no virtual disk size",
        "the metadata have no virtual disk id",
        "the metadata have no logical sector size",
        "the metadata have no physical sector size",
    ]
    .into_iter()
    .enumerate()
    {
        let item = |change: &dyn Fn(&mut Item)| after(|image| change(&mut image.items[index]));
        let missing = item(&|item| {
            item.guid = 0x2222;
            item.flags = 0;
        });
        assert_eq!(missing, Err(Corrupt(text)));
        let twice = after(|image| image.items.push(image.items[index].clone()));
        assert_eq!(twice, Err(Corrupt("a metadata item is there twice")));
        // What the flags of a known item say changes nothing, as in QEMU.
        for flags in [0, 1, 2, 7, u32::MAX] {
            assert_eq!(item(&|item| item.flags = flags), Ok(SAMPLE));
        }
        let right = Image::sample().items[index].length;
        for length in [0, right - 1, right + 1, u32::MAX] {
            assert_eq!(
                item(&|item| item.length = length),
                Err(Corrupt("a metadata item has a wrong length"))
            );
        }
        for offset in [0, 32, 65535, (1 << 20) - right + 1, 1 << 20, u32::MAX] {
            assert_eq!(
                item(&|item| item.offset = offset),
                Err(Corrupt(
                    "a metadata item is not between the metadata table and its region's end"
                ))
            );
        }
    }
    // To the region's last byte, which holds a zero: of these, only the id may be anything.
    assert_eq!(
        after(|image| image.items[2].offset = (1 << 20) - 16),
        Ok(SAMPLE)
    );
}

#[test]
fn unknown_items_are_passed_over_unless_required() {
    for flags in 0..8 {
        let answer = after(|image| image.add_item(0x3333, vec![1; 8], flags));
        if flags & 4 == 0 {
            assert_eq!(answer, Ok(SAMPLE));
        } else {
            assert_eq!(
                answer,
                Err(Unsupported("an unknown metadata item that is required"))
            );
        }
    }
    // Wherever they are, and twice.
    let answer = after(|image| {
        image.add_item(0x3333, vec![1; 8], 0);
        image.add_item(0x3333, vec![1; 8], 0);
        image.items[5].offset = u32::MAX;
        image.items[6].length = u32::MAX;
    });
    assert_eq!(answer, Ok(SAMPLE));
}

#[test]
fn a_disk_with_a_parent_is_not_supported() {
    let differencing = Err(Unsupported("a differencing disk"));
    for flags in [2, 3, u32::MAX] {
        assert_eq!(
            after(|image| image.set_block_size(1 << 20, flags)),
            differencing
        );
    }
    for flags in [0, 4] {
        let answer = after(|image| image.add_item(PARENT_LOCATOR, vec![0; 20], flags));
        assert_eq!(answer, differencing);
    }
    // "Leave blocks allocated", and bits without a meaning.
    for flags in [1, 4, 0x8000_0000] {
        assert_eq!(
            after(|image| image.set_block_size(1 << 20, flags)),
            Ok(SAMPLE)
        );
    }
}

#[test]
fn the_disk_is_one_that_the_format_allows() {
    for block_size in [
        0,
        1,
        512,
        1 << 19,
        3 << 20,
        (1 << 20) + 1,
        1 << 29,
        1 << 31,
        u32::MAX,
    ] {
        assert_eq!(
            after(|image| image.set_block_size(block_size, 0)),
            Err(Corrupt(
                "the block size is not a power of two from 1 MiB to 256 MiB"
            ))
        );
    }
    for logical in [0, 1, 511, 520, 1024, 2048, 8192, 65536, u32::MAX] {
        assert_eq!(
            after(|image| image.set_sectors(logical, 4096)),
            Err(Corrupt("the logical sector size is neither 512 nor 4096"))
        );
    }
    // Nothing depends on the physical sector size, and QEMU takes any.
    for physical in [0, 512, 520, 65536] {
        assert_eq!(after(|image| image.set_sectors(512, physical)), Ok(SAMPLE));
    }
    for size in [(64 << 40) + 512, 1 << 63, u64::MAX - 511] {
        assert_eq!(
            after(|image| image.set_size(size)),
            Err(Corrupt("the disk is larger than 64 TiB"))
        );
    }
    let uneven = Err(Corrupt(
        "the disk's size is not a multiple of its logical sectors",
    ));
    for size in [1, 511, 513, 9 * M + 1] {
        assert_eq!(after(|image| image.set_size(size)), uneven);
    }
    assert_eq!(after(|image| image.set_sectors(4096, 4096)), uneven);
    let answer = after(|image| {
        image.set_sectors(4096, 4096);
        image.set_size(9 * M + 4096);
    });
    assert_eq!(answer, Ok(SAMPLE - 512 + 4096));
}
