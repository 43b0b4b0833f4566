//! The entries of an allocation table that say something.
//!
//! Most of a table says "nothing here", in every format by one byte over and over. Such stretches are
//! passed over whole, so that a scan of a large and empty disk costs little more than reading its
//! tables.

/// What says something is looked for in stretches of so many bytes, and in these in shorter ones; each a
/// multiple of every entry's size.
const LONG: usize = 512;
const SHORT: usize = 64;

/// Whether every one of `bytes` is `byte`.
#[must_use]
pub fn are_all(bytes: &[u8], byte: u8) -> bool {
    // The first is, and each is like the one before it: one comparison of two slices, for which there
    // is a fast routine whatever the bytes are and however the caller is instrumented.
    bytes
        .split_first()
        .is_none_or(|(&first, others)| first == byte && others == &bytes[..others.len()])
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
    let table = if are_all(table, nothing) { &[] } else { table };
    stretches_but(table, LONG, nothing)
        .flat_map(move |(start, long)| {
            stretches_but(long, SHORT, nothing).map(move |(at, short)| (start + at, short))
        })
        .flat_map(|(start, short)| {
            let first = (start / ENTRY) as u64;
            (first..).zip(short.as_chunks().0.iter().copied())
        })
        .filter(move |(_, entry)| *entry != [nothing; ENTRY])
}

/// The stretches of `length` bytes in `bytes`, the last one perhaps shorter, that have a byte other than
/// `nothing`: each with where it starts, in order.
fn stretches_but(bytes: &[u8], length: usize, nothing: u8) -> impl Iterator<Item = (usize, &[u8])> {
    (0..)
        .step_by(length)
        .zip(bytes.chunks(length))
        .filter(move |(_, stretch)| !are_all(stretch, nothing))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    #[test]
    fn entries_that_say_something_come_with_their_number() {
        let mut table = [0xff; LONG + 3 * SHORT + 24];
        let places = [0_u8, 15, 16, 17, 40, 127, 128, 176, 181];
        for place in places {
            table[usize::from(place) * 4 + 3] = place;
        }
        let found: Vec<(u64, [u8; 4])> = entries_but(&table, 0xff).collect();
        assert_eq!(
            found,
            places.map(|place| (u64::from(place), [0xff, 0xff, 0xff, place]))
        );
    }

    #[test]
    fn bytes_are_all_one_or_not() {
        assert!(are_all(&[], 7));
        assert!(are_all(&[7; 300], 7));
        assert!(!are_all(&[7; 300], 8));
        for place in [0, 1, 150, 299] {
            let mut bytes = [7; 300];
            bytes[place] = 8;
            assert!(!are_all(&bytes, 7), "{place}");
        }
    }

    #[test]
    fn a_table_of_nothing_has_no_entries() {
        assert_eq!(entries_but::<8>(&[0; 512], 0).count(), 0);
        assert_eq!(entries_but::<8>(&[0; 512], 0xff).count(), 64);
        assert_eq!(entries_but::<16>(&[], 0).count(), 0);
    }
}
