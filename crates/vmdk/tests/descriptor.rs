//! The text descriptor: what it states, what is wrong with one, and how it is detected. QEMU's own answers are compared
//! in `tools/images/tests`.

use vmdk::descriptor::{self, Descriptor, DescriptorError, Extent, MAX_TEXT, NO_PARENT};

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
        let (cid, parent_cid) = (descriptor.cid, descriptor.parent_cid);
        assert_eq!((cid, parent_cid), (0x3f36_ea66, NO_PARENT));
        assert_eq!(descriptor.create_type, b"monolithicFlat");
        assert_eq!(descriptor.parent_file_name_hint, None);
        assert_eq!(descriptor.total_sectors, 10_485_760);
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
    let shown = |extent: Extent<'_>| {
        let (name, kind) = (extent.file_name.escape_ascii(), extent.kind);
        let (access, sectors, offset) = (extent.access, extent.sectors, extent.offset);
        format!(
            "{access:?} {sectors} {kind:?} {} '{name}' {offset}",
            kind.name()
        )
    };
    let expected = r"ReadWrite 63 Zero ZERO '' 0
        ReadOnly 2 Flat FLAT '../a=b c' 9
        NoAccess 3 VmfsRdm VMFSRDM 'r' 0
        ReadWrite 4 Sparse SPARSE 's' 0
        ReadWrite 5 Vmfs VMFS 'v' 0
        ReadWrite 7 VmfsSparse VMFSSPARSE 'w' 0
        ReadWrite 8 VmfsRaw VMFSRAW 'x' 0
        ReadWrite 9 SeSparse SESPARSE '\xc3\xa9' 0";
    let expected = expected.lines().map(str::trim);
    assert!(descriptor.extents().map(shown).eq(expected));
    let sizes = (descriptor.extent_count, descriptor.total_sectors);
    assert_eq!(sizes, (8, 101));
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
    let changes = "version=1->version=4|version=1->version=|CID=3f36ea66->CID=|CID=3f36ea66->CID=0x3f36ea|\
                   CID=3f36ea66->CID=03f36ea66|CID=ffffffff->CID=fffffffg";
    for change in changes.split('|') {
        let (was, is) = change.split_once("->").unwrap();
        let error = error(&text(FLAT).replacen(was, is, 1));
        assert!(error.contains(" no valid "), "{is}: {error}");
    }
    for line in WRONG_LINES.trim().lines() {
        let (line, reason) = line.trim().split_once(" => ").unwrap();
        let line = line.replace("LONG", &"n".repeat(512)).replace(';', "\n");
        let error = error(&text(&line.replace("CR", "\r")));
        let number = 7 + line.lines().count();
        let begins = error.starts_with(&format!("line {number} "));
        assert!(begins && error.contains(reason), "{line}: {error}");
    }
    let longest = format!("RW 1 SPARSE \"{}\"", "n".repeat(511));
    assert!(Descriptor::parse(text(&longest).as_bytes()).is_ok());
    assert_eq!(error(&text("")), "the descriptor lists no extent");
}

/// The last line is wrong.
const WRONG_LINES: &str = r#"
    RW => size is no number
    RW -1 ZERO => size is no number
    RW 0x10 ZERO => size is no number
    RW 18014398509481984 ZERO => size is no number
    RW 99999999999999999999999 ZERO => size is no number
    RW 0 ZERO => 0 sectors
    RW 1 => type is not known
    RW 1 flat "a" 0 => type is not known
    RW 1 FLATTER "a" 0 => type is not known
    RW 1 FLAT => name
    RW 1 FLAT a 0 => name
    RW 1 FLAT "" 0 => name
    RW 1 FLAT "a 0 => name
    RW 1 FLAT "aCRb" 0 => name
    RW 1 SPARSE "LONG" => name
    RW 1 FLAT "a" => offset
    RW 1 FLAT "a" -1 => offset
    RW 1 FLAT "a" 18014398509481984 => offset
    RW 2 FLAT "a" 18014398509481983 => offset
    RW 1 FLAT "a" 0 partitionUUID => more in the line
    RW 1 VMFS "a" 0 => more in the line
    RW 1 ZERO "" => more in the line
    RW 18014398509481983 ZERO;RW 1 ZERO => 2^63 bytes
    RWX 1 ZERO => no extent
    rw 1 ZERO => no extent
"#;

/// A megabyte in one pass, and not a byte more.
#[test]
fn the_longest_text_is_read() {
    let mut long = HEAD.to_owned() + &"RW 1 ZERO\n".repeat(104_000);
    long += &"\n".repeat(MAX_TEXT - long.len());
    let descriptor = Descriptor::parse(long.as_bytes()).unwrap();
    assert_eq!(descriptor.total_sectors, 104_000);
    long += "\n";
    let too_long = Descriptor::parse(long.as_bytes());
    assert_eq!(too_long, Err(DescriptorError::TooLong));
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
