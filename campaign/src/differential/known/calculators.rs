//! calculators
use super::{Applies, Example, Known};

pub(super) const KNOWN: &[Known] = &[];
