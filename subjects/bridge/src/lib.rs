//! A bridge to libraries that read an image through a call table without a context, with caches of 64 KiB.
//!
//! The functions of such a table find the image by nothing but the number of a device. Here that is the image of the
//! thread, from the start of [`with_call_table`] to its end. `subjects/call-table` is an example to copy.
#![forbid(unsafe_code)]

use std::cell::RefCell;

use harness_core::ImageFile;
pub use shared::call_table::bare::BareCallTable;
use shared::call_table::bare::CurrentDevice;
use shared::call_table::{InputDevice, ReadFailed};

/// The size of a cache in bytes: that of the largest sector.
pub const CACHE: usize = shared::MAX_SECTOR_SIZE;

/// The number of the device that holds the image. It is not 0, which a library may mistake for none.
pub const DEVICE: u32 = 1;

/// The size of a sector in bytes.
const SECTOR: u32 = 512;

thread_local! {
    static CURRENT: RefCell<Option<ImageFile>> = const { RefCell::new(None) };
}

/// Lets `ask` read the image: with a table, the number of its device, and two caches with arbitrary content.
pub fn with_call_table<R>(
    image: ImageFile,
    ask: impl FnOnce(&BareCallTable, u32, [&mut [u8; CACHE]; 2]) -> R,
) -> R {
    let table = BareCallTable::over::<OfThread>();
    let mut caches = [(); 2].map(|()| Box::new([0xee; CACHE]));
    let _restored = Restored(CURRENT.replace(Some(image)));
    ask(&table, DEVICE, caches.each_mut().map(|cache| &mut **cache))
}

/// The image that was the thread's before, and is again from the end of this on, also when a library panics.
struct Restored(Option<ImageFile>);

impl Drop for Restored {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// The image of the thread as a device.
struct OfThread;

impl CurrentDevice for OfThread {
    fn with<R>(ask: impl FnOnce(Option<&dyn InputDevice>) -> R) -> R {
        CURRENT.with_borrow(|image| match image {
            Some(image) => ask(Some(&Sectors(image))),
            None => ask(None),
        })
    }
}

/// An image, one sector at a time.
struct Sectors<'a>(&'a ImageFile);

impl InputDevice for Sectors<'_> {
    fn read_sector(&self, device: u32, sector: u64, buffer: &mut [u8]) -> Result<(), ReadFailed> {
        let start = sector.checked_mul(SECTOR.into()).ok_or(ReadFailed)?;
        let is_one = buffer.len() == SECTOR as usize;
        if start >= self.capacity(device) || !is_one {
            return Err(ReadFailed);
        }
        let length = self.0.read_at(buffer, start).map_err(|_| ReadFailed)?;
        buffer[length..].fill(0);
        Ok(())
    }

    fn capacity(&self, device: u32) -> u64 {
        if device == DEVICE { self.0.size() } else { 0 }
    }

    fn sector_size(&self, device: u32) -> u32 {
        if device == DEVICE { SECTOR } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_the_image_of_its_thread_and_no_other() {
        let image: Vec<u8> = (0..700_u16).map(|at| (at % 251) as u8).collect();
        let read = |calls: &BareCallTable, device, sector, length: usize| {
            let mut buffer = vec![7; length];
            let read = calls.read_input_sector(device, sector, &mut buffer);
            read.is_ok().then_some(buffer)
        };
        let table = with_call_table(ImageFile::new(image.clone()), |calls, device, caches| {
            assert_eq!(caches.map(|cache| cache.len()), [65536; 2]);
            assert_eq!(calls.get_input_capacity(device), 700);
            assert_eq!(calls.get_input_sector_size(device), 512);
            assert_eq!(read(calls, device, 0, 512).unwrap(), image[..512]);
            let last = read(calls, device, 1, 512).unwrap();
            assert_eq!(last[..188], image[512..]);
            assert_eq!(last[188..], [0; 324]);
            for (device, sector, length) in [
                (device, 2, 512),
                (device, u64::MAX, 512),
                (device, 0, 513),
                (device + 1, 0, 512),
            ] {
                assert_eq!(read(calls, device, sector, length), None);
            }
            with_call_table(ImageFile::new(vec![9; 512]), |inner, device, _| {
                assert_eq!(read(inner, device, 0, 512).unwrap(), [9; 512]);
            });
            assert_eq!(calls.get_input_capacity(device), 700);
            let elsewhere = std::thread::scope(|scope| {
                let elsewhere = scope.spawn(|| calls.get_input_capacity(device));
                elsewhere.join().unwrap()
            });
            assert_eq!(elsewhere, 0);
            *calls
        });
        assert_eq!(read(&table, DEVICE, 0, 512), None);
        let panics = || {
            with_call_table(ImageFile::new(vec![9; 512]), |_, _, _| {
                panic!("as a library may")
            })
        };
        assert!(std::panic::catch_unwind(panics).is_err());
        assert_eq!(table.get_input_capacity(DEVICE), 0);
    }
}
