//! How large an image would be: the exact calculators.

use shared::AllocationSummary;

use crate::options::Options;
use crate::subject::Measured;

/// The right answer to the question how large an image with these options would be.
#[must_use]
pub fn measure(summary: &AllocationSummary, options: &Options) -> Measured {
    let _ = (summary, options);
    unimplemented!()
}
