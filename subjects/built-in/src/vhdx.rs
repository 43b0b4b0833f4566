//! The VHDX scanner as a subject.

use ::vhdx::VhdxState;
use harness_core::subject::{Facts, ScanAnswer, ScanRequest};

use crate::scan_with;

pub(crate) fn scan(request: ScanRequest<'_>) -> ScanAnswer {
    scan_with(
        request,
        VhdxState::init,
        VhdxState::scan_allocation,
        VhdxState::bytes_read,
    )
}

pub(crate) fn facts(request: ScanRequest<'_>) -> Option<Facts> {
    let [first, second] = request.caches;
    let state = VhdxState::init(request.calls, request.device, first, second).ok()?;
    Some(Facts {
        virtual_size: state.virtual_size(),
        unit: Some(state.block_size().into()),
        logical_sector_size: Some(state.logical_sector_size()),
        ..Facts::default()
    })
}
