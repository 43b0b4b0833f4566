//! The scanner under test, for the checks that all formats share.

use std::num::NonZeroU64;

use qcow2::Qcow2State;
use shared::{AllocationSummary, CallTable, ScanError};
use testing::scan::{ScanFormat, Scanner};

/// The scanner, asked for a disk of these bytes, or of as many as the header says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Qcow2(pub(crate) Option<u64>);

impl Scanner for Qcow2 {
    fn format(&self) -> Option<ScanFormat> {
        self.0.is_none().then_some(ScanFormat::Qcow2)
    }

    type State<'a> = Qcow2State<'a>;

    fn init<'a>(
        &self,
        calls: CallTable<'a>,
        device: u32,
        l1_cache: &'a mut [u8],
        l2_cache: &'a mut [u8],
    ) -> Result<Qcow2State<'a>, ScanError> {
        Qcow2State::init(calls, device, l1_cache, l2_cache)
    }

    fn scan(
        &self,
        state: &mut Qcow2State<'_>,
        unit: Option<NonZeroU64>,
    ) -> Result<AllocationSummary, ScanError> {
        state.scan_allocation(self.virtual_size(state), unit)
    }

    fn virtual_size(&self, state: &Qcow2State<'_>) -> u64 {
        self.0.unwrap_or(state.header().virtual_size)
    }

    fn bytes_read(&self, state: &Qcow2State<'_>) -> u64 {
        state.bytes_read()
    }
}
