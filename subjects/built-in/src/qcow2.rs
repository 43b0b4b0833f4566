//! The qcow2 scanner as a subject.

use ::qcow2::Qcow2State;
use harness_core::subject::{Facts, ScanAnswer, ScanError, ScanRequest};

use crate::{open, scan_with};

pub(crate) fn scan(request: ScanRequest<'_>) -> ScanAnswer {
    let scan = |state: &mut Qcow2State<'_>, unit| {
        let virtual_size = state.header().virtual_size;
        state.scan_allocation(virtual_size, unit)
    };
    scan_with(request, Qcow2State::init, scan, Qcow2State::bytes_read)
}

pub(crate) fn facts(request: ScanRequest<'_>) -> Result<Facts, ScanError> {
    let mut state = open(request, Qcow2State::init)?;
    let data_file = state.data_file_name()?;
    let header = state.header();
    Ok(Facts {
        virtual_size: header.virtual_size,
        unit: Some(header.cluster_size()),
        named: header.backing_file_name(),
        data_file,
        ..Facts::default()
    })
}
