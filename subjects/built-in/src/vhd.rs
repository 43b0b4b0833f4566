//! The VHD scanner as a subject.

use ::vhd::VhdState;
use harness_core::subject::{Facts, ScanAnswer, ScanError, ScanRequest};

use crate::{open, scan_with};

pub(crate) fn scan(request: ScanRequest<'_>) -> ScanAnswer {
    scan_with(
        request,
        VhdState::init,
        VhdState::scan_allocation,
        VhdState::bytes_read,
    )
}

pub(crate) fn facts(request: ScanRequest<'_>) -> Result<Facts, ScanError> {
    let state = open(request, VhdState::init)?;
    Ok(Facts {
        virtual_size: state.virtual_size(),
        unit: state.block_size().map(u64::from),
        table_offset: state.table_offset(),
        parent: state.parent_name(),
        ..Facts::default()
    })
}
