//! The metadata table and its items: each error with its text.

use testing::scan::{ScanFormat, facts};

use crate::image::{IMAGE, sample};

#[test]
fn the_metadata_table_is_verified() {
    IMAGE.check(
        &sample(),
        "
        items.signature=0 => corrupt: the metadata table does not begin with its signature
        items.count=2047 => 2M+512
        items.count=2048 => corrupt: the metadata table has more than 2047 entries
        ",
    );
    for (nth, (name, length)) in [
        ("file parameters", 8),
        ("virtual disk size", 8),
        ("virtual disk id", 16),
        ("logical sector size", 4),
        ("physical sector size", 4),
    ]
    .into_iter()
    .enumerate()
    {
        // The flags of a known item change nothing, as in QEMU.
        let (last, shorter, longer) = ((1 << 20) - length + 1, length - 1, length + 1);
        let table = format!(
            "
            I.guid=1 I.flags=0 => corrupt: the metadata have no {name}
            I.flags=0,1,2,7,2^32-1 => 2M+512
            I.length=0,{shorter},{longer},2^32-1
                => corrupt: a metadata item has a wrong length
            I.offset=0,32,65535,{last},1M,2^32-1
                => corrupt: a metadata item is not between the metadata table and its region's end
            "
        );
        let item = format!("item{nth}");
        IMAGE.check(&sample(), &table.replace("I.", &format!("{item}.")));

        let entries = 3 * (1 << 20) + 32;
        let mut twice = IMAGE.with(&sample(), "items.count=6");
        twice.copy_within(
            entries + 32 * nth..entries + 32 * nth + 32,
            entries + 5 * 32,
        );
        IMAGE.check(
            &twice,
            "items.count=6 => corrupt: a metadata item is there twice",
        );
    }
    // To the region's last byte, which holds a zero: of these, only the id may be anything.
    IMAGE.check(&sample(), "item2.offset=1M-16 => 2M+512");
}

/// Wherever they are, and twice.
#[test]
fn unknown_items_are_passed_over_unless_required() {
    IMAGE.check(
        &sample(),
        "
        items.count=6 item5.guid=1 item5.offset=64K item5.length=8 item5.flags=0,1,2,3 => 2M+512
        items.count=6 item5.guid=1 item5.offset=64K item5.length=8 item5.flags=4,5,6,7
            => unsupported: an unknown metadata item that is required
        items.count=7 item5.guid=1 item6.guid=1 item5.offset=2^32-1 item6.length=2^32-1 => 2M+512
        ",
    );
}

/// Bit 0 of the flags is "leave blocks allocated"; those from 2 on have no meaning. All is verified but the blocks.
#[test]
fn a_differencing_disk_is_opened_for_its_parent_locator_and_not_scanned() {
    IMAGE.check(
        &sample(),
        "
        value.block_flags=1,4,2^31 => 2M+512
        value.block_flags=2,3,2^32-1 => unsupported: a differencing disk
        value.block_flags=2 bat.0=4,7 => unsupported: a differencing disk
        value.block_flags=2 value.logical=0
            => corrupt: the logical sector size is neither 512 nor 4096
        value.block_flags=2 value.size=2^40
            => corrupt: the BAT has fewer entries than the disk needs
        ",
    );
    let locator = "items.count=6 item5.guid=0x454db30ba8d35f2d item5.guid_end=0x0cab3448d8d3f7ab";
    let table = "
        L item5.offset=64K item5.length=20,21,1M-64K item5.flags=0,4
        L item5.offset=1M-20 item5.length=20 => unsupported: a differencing disk
        L item5.offset=64K item5.length=0,19 => corrupt: a metadata item has a wrong length
        L item5.offset=64K-1,1M-19 item5.length=20
        L item5.offset=64K item5.length=1M-64K+1,2^32-1
            => corrupt: a metadata item is not between the metadata table and its region's end
    ";
    IMAGE.check(&sample(), &table.replace('L', locator));
    let twice = locator.replace("item5", "item6") + " item6.offset=64K item6.length=20";
    let once = IMAGE.with(
        &sample(),
        &format!("{locator} item5.offset=64K item5.length=20"),
    );
    let table = twice.replace("count=6", "count=7") + " => corrupt: a metadata item is there twice";
    IMAGE.check(&once, &table);

    let parent = |changes: &str| {
        let facts = facts(ScanFormat::Vhdx, &IMAGE.with(&sample(), changes));
        facts.expect("it is opened").parent
    };
    let placed = format!("{locator} item5.offset=80K item5.length=54");
    assert_eq!(parent(&placed), Some(0x31_4000..0x31_4000 + 54));
    assert_eq!(parent("value.block_flags=2"), None);
    assert_eq!(parent(""), None);
}

/// Nothing depends on the physical sector size, and QEMU takes any.
#[test]
fn the_disk_is_one_that_the_format_allows() {
    IMAGE.check(
        &sample(),
        "
        value.block_size=0,1,512,512K,3M,1M+1,512M,2^31,2^32-1
            => corrupt: the block size is not a power of two from 1 MiB to 256 MiB
        value.logical=0,1,511,520,1024,2048,8192,65536,2^32-1
            => corrupt: the logical sector size is neither 512 nor 4096
        value.physical=0,512,520,65536 => 2M+512
        value.size=2^46+512,2^63,2^64-512 => corrupt: the disk is larger than 64 TiB
        value.size=1,511,513,9M+1
        value.logical=4096
            => corrupt: the disk's size is not a multiple of its logical sectors
        value.logical=4096 value.size=9M+4096 => 2M+4096
        ",
    );
}
