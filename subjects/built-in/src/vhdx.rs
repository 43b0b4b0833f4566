//! The VHDX scanner as a subject.

use ::vhdx::VhdxState;
use harness_core::subject::{Facts, ScanAnswer, ScanError, ScanRequest};

use crate::{open, scan_with};

pub(crate) fn scan(request: ScanRequest<'_>) -> ScanAnswer {
    scan_with(
        request,
        VhdxState::init,
        VhdxState::scan_allocation,
        VhdxState::bytes_read,
    )
}

pub(crate) fn facts(request: ScanRequest<'_>) -> Result<Facts, ScanError> {
    let state = open(request, VhdxState::init)?;
    Ok(Facts {
        virtual_size: state.virtual_size(),
        unit: Some(state.block_size().into()),
        table_offset: Some(state.table_offset()),
        logical_sector_size: Some(state.logical_sector_size()),
        parent: state.parent_locator(),
        ..Facts::default()
    })
}
