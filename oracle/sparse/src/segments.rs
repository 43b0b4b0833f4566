//! A sparse image as a list of segments, encoded in a few bytes.
//!
//! A segment is where it begins (4 bytes), its length (2 bytes), both little-endian, and its bytes.

/// Some bytes of a packed image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Where the bytes begin, in bytes from the image's start.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// The segments of a packed image, in the order of the input.
#[derive(Debug, Clone)]
pub struct Segments<'a>(pub &'a [u8]);

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&[a, b, c, d, low, high], rest) = self.0.split_first_chunk()?;
        let length = usize::from(u16::from_le_bytes([low, high]));
        let (bytes, rest) = rest.split_at(length.min(rest.len()));
        self.0 = rest;
        Some(Segment {
            offset: u32::from_le_bytes([a, b, c, d]).into(),
            bytes,
        })
    }
}

/// The segments of what is not zero in `image`, encoded; `None` when that takes more than `most` of them. The image is
/// shorter than 4 GiB.
pub fn pack(image: &[u8], most: usize) -> Option<Vec<u8>> {
    // A run of zeros shorter than this stays inside its segment; the fewer segments, the more zeros.
    [8, 64, 512, 4096, 65536]
        .into_iter()
        .map(|shortest_gap| segments_between_gaps(image, shortest_gap))
        .find(|segments| segments.len() <= most)
        .map(|segments| {
            segments
                .into_iter()
                .flat_map(|segment| {
                    let offset = u32::try_from(segment.offset).unwrap_or(u32::MAX);
                    let length = u16::try_from(segment.bytes.len()).unwrap_or(u16::MAX);
                    [
                        &offset.to_le_bytes()[..],
                        &length.to_le_bytes(),
                        segment.bytes,
                    ]
                    .concat()
                })
                .collect()
        })
}

/// Splits `image` at every run of at least `shortest_gap` zeros, and every 65,535 bytes.
fn segments_between_gaps(image: &[u8], shortest_gap: usize) -> Vec<Segment<'_>> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (at, _) in image.iter().enumerate().filter(|&(_, &byte)| byte != 0) {
        match ranges.last_mut() {
            Some((start, end)) if at - *end < shortest_gap && at + 1 - *start <= 65535 => {
                *end = at + 1;
            }
            _ => ranges.push((at, at + 1)),
        }
    }
    ranges
        .into_iter()
        .map(|(start, end)| Segment {
            offset: start as u64,
            bytes: &image[start..end],
        })
        .collect()
}
