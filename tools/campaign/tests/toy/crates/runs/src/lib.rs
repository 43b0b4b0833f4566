//! Run-length coding: pairs of a count and a byte. A count of 0 stands for 256.
#![forbid(unsafe_code)]

/// A count without a byte at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutOff;

/// Decodes all pairs.
pub fn decode(coded: &[u8]) -> Result<Vec<u8>, CutOff> {
    let mut decoded = Vec::new();
    for pair in coded.chunks(2) {
        let &[count, byte] = pair else {
            return Err(CutOff);
        };
        let count = if count == 0 { 256 } else { usize::from(count) };
        decoded.resize(decoded.len() + count, byte);
    }
    Ok(decoded)
}

/// How many bytes [`decode`] makes. The mistake: a count of 0 is taken for none.
pub fn decoded_length(coded: &[u8]) -> Result<usize, CutOff> {
    if !coded.len().is_multiple_of(2) {
        return Err(CutOff);
    }
    Ok(coded
        .iter()
        .step_by(2)
        .map(|&count| usize::from(count))
        .sum())
}
