//! A call table without a context, for libraries that have one of that shape. No scanner of this workspace does.

use super::{InputDevice, ReadFailed};

/// `read_input_sector(device, sector, buffer, buffer_size)`: as [`ReadInputSector`](super::ReadInputSector), without a context.
pub type BareReadInputSector = unsafe extern "C" fn(u32, u64, *mut u8, usize) -> i32;
/// `get_input_capacity(device)` in bytes.
pub type BareGetInputCapacity = extern "C" fn(u32) -> u64;
/// `get_input_sector_size(device)` in bytes.
pub type BareGetInputSectorSize = extern "C" fn(u32) -> u32;

/// The device that a [`BareCallTable`] reads, wherever it is kept: a table without a context has no place for it.
pub trait CurrentDevice {
    /// Calls `ask` with the device, if there is one.
    fn with<R>(ask: impl FnOnce(Option<&dyn InputDevice>) -> R) -> R;
}

/// A call table without a context.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct BareCallTable {
    read_input_sector: BareReadInputSector,
    get_input_capacity: BareGetInputCapacity,
    get_input_sector_size: BareGetInputSectorSize,
}

impl BareCallTable {
    /// A table that reads the current device of `C`.
    ///
    /// A panic in the device aborts the process: it cannot unwind through the C interface.
    #[must_use]
    pub const fn over<C: CurrentDevice>() -> Self {
        Self {
            read_input_sector: bare_read_input_sector::<C>,
            get_input_capacity: bare_get_input_capacity::<C>,
            get_input_sector_size: bare_get_input_sector_size::<C>,
        }
    }

    /// The functions, for a library with a type of its own for the table.
    #[must_use]
    pub const fn functions(
        &self,
    ) -> (
        BareReadInputSector,
        BareGetInputCapacity,
        BareGetInputSectorSize,
    ) {
        (
            self.read_input_sector,
            self.get_input_capacity,
            self.get_input_sector_size,
        )
    }

    /// Fills `buffer`, one sector long, with sector number `sector` of `device`.
    ///
    /// # Errors
    /// [`ReadFailed`] when the device reports it, or there is none.
    pub fn read_input_sector(
        &self,
        device: u32,
        sector: u64,
        buffer: &mut [u8],
    ) -> Result<(), ReadFailed> {
        // SAFETY: only `over` makes a table, of functions that write to the buffer alone, which is ours for its length.
        let status =
            unsafe { (self.read_input_sector)(device, sector, buffer.as_mut_ptr(), buffer.len()) };
        if status == 0 { Ok(()) } else { Err(ReadFailed) }
    }

    /// The size of `device` in bytes; 0 when there is none.
    #[must_use]
    pub fn get_input_capacity(&self, device: u32) -> u64 {
        (self.get_input_capacity)(device)
    }

    /// The size of a sector of `device` in bytes; 0 when there is none.
    #[must_use]
    pub fn get_input_sector_size(&self, device: u32) -> u32 {
        (self.get_input_sector_size)(device)
    }
}

unsafe extern "C" fn bare_read_input_sector<C: CurrentDevice>(
    device: u32,
    sector: u64,
    buffer: *mut u8,
    buffer_size: usize,
) -> i32 {
    // SAFETY: who calls this has the buffer for its length, as `BareCallTable::read_input_sector` has it from a slice.
    let buffer = unsafe { core::slice::from_raw_parts_mut(buffer, buffer_size) };
    let read = |input: Option<&dyn InputDevice>| input?.read_sector(device, sector, buffer).ok();
    C::with(read).map_or(-1, |()| 0)
}

extern "C" fn bare_get_input_capacity<C: CurrentDevice>(device: u32) -> u64 {
    C::with(|input| input.map_or(0, |input| input.capacity(device)))
}

extern "C" fn bare_get_input_sector_size<C: CurrentDevice>(device: u32) -> u32 {
    C::with(|input| input.map_or(0, |input| input.sector_size(device)))
}
