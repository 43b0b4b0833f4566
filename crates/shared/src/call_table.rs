//! How a scanner reaches an image: three C functions and a context.
//!
//! The interface is C so that a firmware, a hypervisor or another language can offer it. Rust code
//! implements the safe [`InputDevice`] instead, and [`CallTable::over`] makes the table.
//!
//! A [`BareCallTable`](bare::BareCallTable) is the same without a context, for libraries that are made for such a table.
//!
//! No other module uses `unsafe` but [`bare`], inside this one.
#![allow(unsafe_code)]

pub mod bare;

use core::ffi::c_void;
use core::marker::PhantomData;

/// A sector could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadFailed;

/// A device that can be read one sector at a time; the safe way to make a [`CallTable`].
///
/// `device` identifies one of the inputs that an implementation may serve; a scanner passes the index it
/// was given and no other.
pub trait InputDevice {
    /// Fills `buffer`, which is exactly one sector long, with sector number `sector`. Bytes of the
    /// last sector past the capacity are unspecified.
    ///
    /// # Errors
    /// [`ReadFailed`] when the sector cannot be read, lies past the capacity, or `device` is unknown.
    fn read_sector(&self, device: u32, sector: u64, buffer: &mut [u8]) -> Result<(), ReadFailed>;

    /// The device's size in bytes. It need not be a multiple of the sector size.
    fn capacity(&self, device: u32) -> u64;

    /// The size of a sector in bytes: a power of two from 512 to 65536.
    fn sector_size(&self, device: u32) -> u32;
}

/// `read_input_sector(context, device, sector, buffer, buffer_size)`: fills `buffer` with one sector
/// and returns 0, or returns another value when it cannot. `buffer_size` is in bytes.
pub type ReadInputSector = unsafe extern "C" fn(*const c_void, u32, u64, *mut u8, usize) -> i32;
/// `get_input_capacity(context, device)`: the device's size in bytes.
pub type GetInputCapacity = unsafe extern "C" fn(*const c_void, u32) -> u64;
/// `get_input_sector_size(context, device)`: the size of a sector in bytes.
pub type GetInputSectorSize = unsafe extern "C" fn(*const c_void, u32) -> u32;

/// The functions through which a scanner reads an image. It borrows what it reads from for `'a`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct CallTable<'a> {
    context: *const c_void,
    read_input_sector: ReadInputSector,
    get_input_capacity: GetInputCapacity,
    get_input_sector_size: GetInputSectorSize,
    borrows: PhantomData<&'a ()>,
}

impl<'a> CallTable<'a> {
    /// A table over a Rust device.
    ///
    /// A panic in the device aborts the process: it cannot unwind through the C interface.
    pub fn over<D: InputDevice>(device: &'a D) -> Self {
        Self {
            context: core::ptr::from_ref(device).cast(),
            read_input_sector: read_input_sector::<D>,
            get_input_capacity: get_input_capacity::<D>,
            get_input_sector_size: get_input_sector_size::<D>,
            borrows: PhantomData,
        }
    }

    /// A table over C functions.
    ///
    /// # Safety
    /// For all of `'a`, the functions must be safe to call with this `context`, any device index and
    /// any sector number, and `read_input_sector` must write at most `buffer_size` bytes.
    #[must_use]
    pub const unsafe fn from_c(
        context: *const c_void,
        read_input_sector: ReadInputSector,
        get_input_capacity: GetInputCapacity,
        get_input_sector_size: GetInputSectorSize,
    ) -> Self {
        Self {
            context,
            read_input_sector,
            get_input_capacity,
            get_input_sector_size,
            borrows: PhantomData,
        }
    }

    /// Fills `buffer`, one sector long, with sector number `sector` of `device`.
    ///
    /// # Errors
    /// [`ReadFailed`] when the device reports it.
    pub fn read_input_sector(
        &self,
        device: u32,
        sector: u64,
        buffer: &mut [u8],
    ) -> Result<(), ReadFailed> {
        // SAFETY: `context` and the function belong together, and the buffer is ours for its length:
        // promised by `from_c`'s caller, or by `over`'s types and lifetime.
        let status = unsafe {
            (self.read_input_sector)(
                self.context,
                device,
                sector,
                buffer.as_mut_ptr(),
                buffer.len(),
            )
        };
        if status == 0 { Ok(()) } else { Err(ReadFailed) }
    }

    /// The size of `device` in bytes.
    #[must_use]
    pub fn get_input_capacity(&self, device: u32) -> u64 {
        // SAFETY: as in `read_input_sector`.
        unsafe { (self.get_input_capacity)(self.context, device) }
    }

    /// The size of a sector of `device` in bytes.
    #[must_use]
    pub fn get_input_sector_size(&self, device: u32) -> u32 {
        // SAFETY: as in `read_input_sector`.
        unsafe { (self.get_input_sector_size)(self.context, device) }
    }
}

unsafe extern "C" fn read_input_sector<D: InputDevice>(
    context: *const c_void,
    device: u32,
    sector: u64,
    buffer: *mut u8,
    buffer_size: usize,
) -> i32 {
    // SAFETY: only `CallTable::over` pairs this function with a context, and that is a `D` borrowed
    // for the table's lifetime; the buffer comes from the slice in `CallTable::read_input_sector`.
    let (input, buffer) = unsafe {
        (
            &*context.cast::<D>(),
            core::slice::from_raw_parts_mut(buffer, buffer_size),
        )
    };
    match input.read_sector(device, sector, buffer) {
        Ok(()) => 0,
        Err(ReadFailed) => -1,
    }
}

unsafe extern "C" fn get_input_capacity<D: InputDevice>(
    context: *const c_void,
    device: u32,
) -> u64 {
    // SAFETY: as in `read_input_sector`.
    unsafe { &*context.cast::<D>() }.capacity(device)
}

unsafe extern "C" fn get_input_sector_size<D: InputDevice>(
    context: *const c_void,
    device: u32,
) -> u32 {
    // SAFETY: as in `read_input_sector`.
    unsafe { &*context.cast::<D>() }.sector_size(device)
}
