//! The VMDK scanner as a subject.

use ::vmdk::VmdkState;
use harness_core::subject::{Facts, ScanAnswer, ScanError, ScanRequest};

use crate::{open, scan_with};

pub(crate) fn scan(request: ScanRequest<'_>) -> ScanAnswer {
    scan_with(
        request,
        VmdkState::init,
        VmdkState::scan_allocation,
        VmdkState::bytes_read,
    )
}

pub(crate) fn facts(request: ScanRequest<'_>) -> Result<Facts, ScanError> {
    let state = open(request, VmdkState::init)?;
    let header = state.header();
    Ok(Facts {
        virtual_size: header.virtual_size(),
        unit: Some(header.grain_size()),
        is_compressed: Some(header.is_compressed()),
        named: header.descriptor(),
        ..Facts::default()
    })
}
