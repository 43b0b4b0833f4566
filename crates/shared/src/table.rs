//! The entries of an allocation table that are not empty.
//!
//! Most entries of a table are empty: in every format one byte over and over. Such stretches are
//! passed over whole, so that a scan of a large and empty disk costs little more than reading its
//! tables.

/// Entries that are not empty are looked for in stretches of so many bytes, and in these in shorter ones; each a
/// multiple of every entry's size.
const LONG: usize = 512;
const SHORT: usize = 64;

/// Whether every one of `bytes` is `byte`, in straight-line code. A comparison of two slices would be a call of a
/// routine that engines put their own in the place of, which goes byte by byte.
#[must_use]
#[inline]
pub fn is_all<const LENGTH: usize>(bytes: &[u8; LENGTH], byte: u8) -> bool {
    let differ = |bytes: &[u8]| bytes.iter().fold(0, |most, other| most.max(other ^ byte));
    let (long, rest) = bytes.as_chunks::<LONG>();
    let most = |most: u8, long: &[u8; LONG]| most.max(differ(long));
    long.iter().fold(differ(rest), most) == 0
}

/// The entries of `ENTRY` bytes in `table`, which is whole entries, that have a byte other than
/// `nothing`: each with its number from the table's start, in order.
///
/// `ENTRY` is a power of two up to 64. To be walked by `try_for_each`: a loop would ask each of the
/// iterators within for every entry.
pub fn entries_but<const ENTRY: usize>(
    table: &[u8],
    nothing: u8,
) -> impl Iterator<Item = (u64, [u8; ENTRY])> {
    stretches_but::<LONG>(table, nothing)
        .flat_map(move |(start, long)| {
            stretches_but::<SHORT>(long, nothing).map(move |(at, short)| (start + at, short))
        })
        .flat_map(|(start, short)| {
            let first = (start / ENTRY) as u64;
            (first..).zip(short.as_chunks().0.iter().copied())
        })
        .filter(move |(_, entry)| *entry != [nothing; ENTRY])
}

/// The stretches of `LENGTH` bytes in `bytes` that have a byte other than `nothing`, and what is left at the end,
/// whatever it is: each with where it starts, in order.
fn stretches_but<const LENGTH: usize>(
    bytes: &[u8],
    nothing: u8,
) -> impl Iterator<Item = (usize, &[u8])> {
    (0..)
        .step_by(LENGTH)
        .zip(bytes.chunks(LENGTH))
        .filter(move |(_, stretch)| {
            <&[u8; LENGTH]>::try_from(*stretch).map_or(true, |stretch| !is_all(stretch, nothing))
        })
}
