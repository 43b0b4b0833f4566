//! Which kind of VMDK a text descriptor describes, to name what is not supported.
//!
//! A descriptor in a file of its own lists the files that hold the data; a scanner of one file has
//! nothing to read there. Source: "Virtual Disk Format 5.0", section "The Descriptor File".

/// How a descriptor begins.
pub const MAGIC: &[u8] = b"# Disk DescriptorFile";

/// What is not supported about a file that begins with a descriptor: its `createType`, by name. `text` is
/// the file's first 512 bytes, or all of it; QEMU's and VMware's descriptors name the kind in the first 200.
#[must_use]
pub fn kind(text: &[u8]) -> &'static str {
    let found = text.split(|&byte| byte == b'\n').find_map(create_type);
    KINDS
        .iter()
        .find(|(kind, _)| found == Some(kind.as_bytes()))
        .map_or("a text descriptor of an unknown createType", |(_, what)| {
            what
        })
}

const KINDS: [(&str, &str); 11] = [
    (
        "monolithicFlat",
        "a text descriptor of a flat extent (monolithicFlat)",
    ),
    (
        "monolithicSparse",
        "a text descriptor beside its sparse extent (monolithicSparse)",
    ),
    (
        "streamOptimized",
        "a text descriptor beside its sparse extent (streamOptimized)",
    ),
    (
        "twoGbMaxExtentFlat",
        "a text descriptor of several flat extents (twoGbMaxExtentFlat)",
    ),
    (
        "twoGbMaxExtentSparse",
        "a text descriptor of several sparse extents (twoGbMaxExtentSparse)",
    ),
    ("vmfs", "a text descriptor of a flat extent on VMFS (vmfs)"),
    (
        "vmfsSparse",
        "a text descriptor of a sparse extent on VMFS (vmfsSparse)",
    ),
    ("fullDevice", "a text descriptor of a device (fullDevice)"),
    (
        "partitionedDevice",
        "a text descriptor of a device's partitions (partitionedDevice)",
    ),
    (
        "vmfsRDM",
        "a text descriptor of a raw device on VMFS (vmfsRDM)",
    ),
    ("custom", "a text descriptor of several extents (custom)"),
];

/// The value of a line `createType="value"`.
fn create_type(line: &[u8]) -> Option<&[u8]> {
    let value = line.trim_ascii().strip_prefix(b"createType")?;
    let value = value.trim_ascii_start().strip_prefix(b"=")?;
    value
        .trim_ascii_start()
        .strip_prefix(b"\"")?
        .strip_suffix(b"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_named() {
        assert_eq!(
            kind(b"# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\n"),
            "a text descriptor of a flat extent (monolithicFlat)"
        );
        assert_eq!(
            kind(b"# Disk DescriptorFile\r\n  createType = \"twoGbMaxExtentSparse\"\r\n"),
            "a text descriptor of several sparse extents (twoGbMaxExtentSparse)"
        );
    }

    #[test]
    fn a_kind_that_is_missing_cut_off_or_unknown_is_said_to_be_unknown() {
        for text in [
            &b""[..],
            b"# Disk DescriptorFile",
            b"createType=\"monolithicF",
            b"createType=monolithicFlat",
            b"createType=\"monolithicflat\"",
            b"# createType=\"monolithicFlat\"",
            b"createType=\"\xff\"",
        ] {
            assert_eq!(kind(text), "a text descriptor of an unknown createType");
        }
    }
}
