//! The text descriptor: what it states, what is wrong with one, and how it is detected. QEMU's own answers are compared
//! in `tools/images/tests`.

use vmdk::descriptor::{
    self, Access, Descriptor, DescriptorError, Extent, ExtentKind, MAX_TEXT, NO_PARENT,
};

const HEAD: &str = "# Disk DescriptorFile\nversion=1\nCID=3f36ea66\nparentCID=ffffffff\n\
                    createType=\"monolithicFlat\"\n\n# Extent description\n";
const FLAT: &str = "RW 10485760 FLAT \"disk-flat.vmdk\" 0";

fn text(extents: &str) -> String {
    format!("{HEAD}{extents}\n\n# The Disk Data Base\n#DDB\n\nddb.adapterType = \"ide\"\n")
}

fn error(text: &str) -> String {
    let error = Descriptor::parse(text.as_bytes()).expect_err(text);
    error.to_string()
}

#[test]
fn what_a_descriptor_states() {
    let windows = text(FLAT)
        .replace('\n', "\r\n")
        .replace("CID=", " CID =\t")
        .replace("parent CID", "parentCID");
    for text in [text(FLAT), windows, text(FLAT) + "\0CID=\0\nnonsense"] {
        let descriptor = Descriptor::parse(text.as_bytes()).unwrap();
        assert_eq!(descriptor.version, 1);
        assert_eq!(descriptor.create_type, b"monolithicFlat");
        assert_eq!(
            (descriptor.cid, descriptor.parent_cid),
            (0x3f36_ea66, NO_PARENT)
        );
        assert_eq!(descriptor.parent_file_name_hint, None);
        assert_eq!(
            (descriptor.extent_count, descriptor.total_sectors),
            (1, 10_485_760)
        );
    }
    let child = text(FLAT).replace("CID=ffffffff", "CID=A\nparentFileNameHint=\"/a b=.vmdk\"");
    let descriptor = Descriptor::parse(child.as_bytes()).unwrap();
    assert_eq!((descriptor.version, descriptor.parent_cid), (1, 10));
    assert_eq!(descriptor.parent_file_name_hint, Some(&b"/a b=.vmdk"[..]));
}

#[test]
fn extents_of_every_type_are_read_in_their_order() {
    let lines = "RW 63 ZERO\nRDONLY 2 FLAT \"../a=b c\" 9\n NOACCESS\t3  VMFSRDM \"r\"\r\nRW 4 SPARSE \"s\"\n\
                 RW 5 VMFS \"v\"\n# RW 6 ZERO\nRW 7 VMFSSPARSE \"w\"\nRW 8 VMFSRAW \"x\"\nRW 9 SESPARSE \"\u{e9}\"";
    let text = text(lines);
    let descriptor = Descriptor::parse(text.as_bytes()).unwrap();
    let extent = |access, sectors, kind, name: &'static str, offset| Extent {
        access,
        sectors,
        kind,
        file_name: name.as_bytes(),
        offset,
    };
    use {Access::*, ExtentKind::*};
    let expected = [
        extent(ReadWrite, 63, Zero, "", 0),
        extent(ReadOnly, 2, Flat, "../a=b c", 9),
        extent(NoAccess, 3, VmfsRdm, "r", 0),
        extent(ReadWrite, 4, Sparse, "s", 0),
        extent(ReadWrite, 5, Vmfs, "v", 0),
        extent(ReadWrite, 7, VmfsSparse, "w", 0),
        extent(ReadWrite, 8, VmfsRaw, "x", 0),
        extent(ReadWrite, 9, SeSparse, "\u{e9}", 0),
    ];
    assert!(descriptor.extents().eq(expected));
    assert_eq!(
        (descriptor.extent_count, descriptor.total_sectors),
        (8, 101)
    );
}

#[test]
fn what_is_wrong_is_named() {
    for (key, line) in [
        ("version", "version=1\n"),
        ("CID", "CID=3f36ea66\n"),
        ("parentCID", "parentCID=ffffffff\n"),
        ("createType", "createType=\"monolithicFlat\"\n"),
    ] {
        let text = text(FLAT).replacen(line, "", 1);
        assert_eq!(error(&text), format!("the descriptor has no valid {key}"));
    }
    for (was, is) in [
        ("version=1", "version=4"),
        ("version=1", "version="),
        ("CID=3f36ea66", "CID="),
        ("CID=3f36ea66", "CID=0x3f36ea"),
        ("CID=3f36ea66", "CID=03f36ea66"),
        ("CID=ffffffff", "CID=fffffffg"),
    ] {
        let error = error(&text(FLAT).replacen(was, is, 1));
        assert!(
            error.starts_with("the descriptor has no valid "),
            "{is}: {error}"
        );
    }
    let limit = 1_u64 << 54;
    let long = format!("RW 1 SPARSE \"{}\"", "n".repeat(512));
    for (line, reason) in [
        ("RW", "size is no number"),
        ("RW -1 ZERO", "size is no number"),
        ("RW 0x10 ZERO", "size is no number"),
        ("RW 0 ZERO", "0 sectors"),
        (&format!("RW {limit} ZERO"), "size is no number"),
        ("RW 99999999999999999999999 ZERO", "size is no number"),
        ("RW 1", "type is not known"),
        ("RW 1 flat \"a\" 0", "type is not known"),
        ("RW 1 FLATTER \"a\" 0", "type is not known"),
        ("RW 1 FLAT", "name"),
        ("RW 1 FLAT a 0", "name"),
        ("RW 1 FLAT \"\" 0", "name"),
        ("RW 1 FLAT \"a 0", "name"),
        ("RW 1 FLAT \"a\rb\" 0", "name"),
        (&long, "name"),
        ("RW 1 FLAT \"a\"", "offset"),
        ("RW 1 FLAT \"a\" -1", "offset"),
        (&format!("RW 1 FLAT \"a\" {}", limit), "offset"),
        (&format!("RW 2 FLAT \"a\" {}", limit - 1), "offset"),
        ("RW 1 FLAT \"a\" 0 partitionUUID", "more in the line"),
        ("RW 1 VMFS \"a\" 0", "more in the line"),
        ("RW 1 ZERO \"\"", "more in the line"),
        (&format!("RW {} ZERO\nRW 1 ZERO", limit - 1), "2^63 bytes"),
        ("RWX 1 ZERO", "no extent"),
        ("rw 1 ZERO", "no extent"),
    ] {
        let error = error(&text(line));
        let number = 7 + line.lines().count();
        assert!(
            error.starts_with(&format!("line {number} ")),
            "{line}: {error}"
        );
        assert!(error.contains(reason), "{line}: {error}");
    }
    let name = &long[..long.len() - 2];
    assert!(Descriptor::parse(text(&format!("{name}\"")).as_bytes()).is_ok());
    assert_eq!(error(&text("")), "the descriptor lists no extent");
}

/// A megabyte in one pass, and not a byte more.
#[test]
fn the_longest_text_is_read() {
    let mut long = HEAD.to_owned();
    while long.len() + 10 <= MAX_TEXT {
        long += "RW 1 ZERO\n";
    }
    let descriptor = Descriptor::parse(long.as_bytes()).unwrap();
    assert_eq!(descriptor.extent_count as u64, descriptor.total_sectors);
    assert!(descriptor.extent_count > 104_000);
    long.extend(std::iter::repeat_n('\n', MAX_TEXT + 1 - long.len()));
    let too_long = Descriptor::parse(long.as_bytes());
    assert_eq!(too_long, Err(DescriptorError::TooLong));
    assert!(Descriptor::parse(&long.as_bytes()[1..]).is_err());
}

/// Any damage is an answer that fits together, or an error.
#[test]
fn damaged_texts() {
    let sound = text("RW 63 ZERO\nRW 12 FLAT \"a\" 3\nRW 4 SPARSE \"s\"").into_bytes();
    let mut read = 0;
    for at in 0..sound.len() {
        let mut damaged = vec![sound[..at].to_vec()];
        for byte in [0, b'\n', b'"', b' ', b'=', b'9', 0xff, sound[at] ^ 1] {
            let mut text = sound.clone();
            text[at] = byte;
            damaged.push(text);
        }
        for text in damaged {
            assert!(descriptor::begins(&text) || at < 34);
            assert!(descriptor::kind(&text).starts_with("a text descriptor "));
            if let Ok(descriptor) = Descriptor::parse(&text) {
                let extents: Vec<_> = descriptor.extents().collect();
                let sum: u64 = extents.iter().map(|extent| extent.sectors).sum();
                assert_eq!(extents.len(), descriptor.extent_count);
                assert_eq!(sum, descriptor.total_sectors);
                read += 1;
            }
        }
    }
    assert!(read > 500, "{read}");
}

#[test]
fn a_parent_is_known_by_its_name_or_its_content_id() {
    for (text, name) in [
        (
            &b"# Disk DescriptorFile\nparentCID=12345678\nparentFileNameHint=\"base.vmdk\"\n"[..],
            Some(&b"base.vmdk"[..]),
        ),
        (b"parentFileNameHint = \"\xff=b\"\r\n", Some(b"\xff=b")),
        (b"parentFileNameHint=\"b\"\0\0\"", Some(b"b")),
        (b"parentCID=ffffffff\nparentFileNameHint=b\0", Some(b"b")),
        (b"parentCID=12345678\n", Some(b"")),
        (b"parentCID=FFFFFFFF\n", None),
        (b"parentCID=ffffffff\0\0", None),
        (b"parentFileNameHint=\"\"\n", None),
        (b"", None),
    ] {
        let shown = text.escape_ascii().to_string();
        assert_eq!(descriptor::parent(text), name, "{shown}");
    }
}
