//! An image on its device, and scanning it in one manner or another.

use std::cell::RefCell;
use std::num::NonZeroU64;

use crate::device::MockDevice;
use crate::subject::{ScanAnswer, ScanRequest, Scanner};
use recipes::Recipe;
use recipes::conditions::SERVED_OF_DAMAGED;
use recipes::truth::Truth;
use sparse::SparseImage;

/// An image on its device.
pub(super) struct OnDevice<'a> {
    pub(super) recipe: &'a Recipe,
    /// The bytes, as long as the device.
    pub(super) bytes: SparseImage,
    /// What is true of the image; `None` when it is damaged, or when the device's end changes it.
    pub(super) truth: Option<Truth>,
    /// How many bytes the device serves a scan.
    pub(super) serves: u64,
}

/// How a scan is made, where that may differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) sector_size: u32,
    pub(super) unit: Option<NonZeroU64>,
    pub(super) cache_fill: u8,
    pub(super) cache_excess: usize,
    pub(super) failing_read: Option<u64>,
    pub(super) twice: bool,
}

impl<'a> OnDevice<'a> {
    /// The image that the device holds.
    pub(super) fn of(recipe: &'a Recipe) -> Self {
        let built = recipe.build().on_device(&recipe.conditions);
        Self {
            recipe,
            // Tables of a shorter file hold less, and the number of reads shows a scanner that reads them over
            // and over.
            serves: if built.damage_done.is_empty() || built.image.capacity() <= SERVED_OF_DAMAGED {
                u64::MAX
            } else {
                SERVED_OF_DAMAGED
            },
            bytes: built.image,
            truth: built.truth,
        }
    }

    /// The scan that the recipe asks for.
    pub(super) fn manner(&self) -> Manner {
        Manner {
            sector_size: self.recipe.conditions.sector_size,
            unit: self.recipe.unit,
            cache_fill: 0,
            cache_excess: 0,
            failing_read: None,
            twice: false,
        }
    }

    /// A device with the image on it.
    pub(super) fn device(&self, manner: &Manner) -> MockDevice<'_> {
        let mut device = MockDevice::new(manner.sector_size, self.recipe.conditions.index);
        device.set_sparse_input(&self.bytes);
        let scans = 1 + u64::from(manner.twice);
        device.expect_scans(scans);
        device.serve_at_most(self.serves.saturating_mul(scans));
        if let Some(nth) = manner.failing_read {
            device.fail_read(nth);
        }
        device
    }

    pub(super) fn scan(
        &self,
        scanner: &(impl Scanner + ?Sized),
        device: &MockDevice<'_>,
        manner: &Manner,
    ) -> ScanAnswer {
        thread_local! {
            // Kept, since two sectors of 64 KiB for every execution would cost more than most scans.
            static CACHES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        CACHES.with_borrow_mut(|caches| {
            let length = manner.sector_size as usize + manner.cache_excess;
            caches.clear();
            caches.resize(2 * length, manner.cache_fill);
            let (first, second) = caches.split_at_mut(length);
            let request = ScanRequest {
                format: self.recipe.format,
                calls: device.build_call_table(),
                device: device.index(),
                caches: [first, second],
                unit: manner.unit,
                twice: manner.twice,
            };
            scanner.scan_device(device, request)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recipes::at;

    /// How long a qcow2 image of 64 KiB clusters is, so many of which hold data, and how much of it is served.
    fn served(data: u8, is_damaged: bool) -> (u64, u64) {
        let mut bytes = [0; 192];
        bytes[at::SIZE_MODE] = 4 << 2;
        bytes[at::SIZE] = 10;
        bytes[at::RUNS + 2] = data;
        // One more in the compatible features, which no scanner minds.
        bytes[at::DAMAGES..at::DAMAGES + 4].copy_from_slice(&[is_damaged.into(), 14, 0, 14]);
        let recipe = Recipe::decode(&bytes).unwrap();
        let image = OnDevice::of(&recipe);
        (image.bytes.capacity(), image.serves)
    }

    #[test]
    fn only_of_a_damaged_and_long_image_a_part_is_served() {
        // Header, refcounts, L1 and L2 table take five clusters.
        assert_eq!(served(3, true), (SERVED_OF_DAMAGED, u64::MAX));
        assert_eq!(
            served(4, true),
            (SERVED_OF_DAMAGED + 65536, SERVED_OF_DAMAGED)
        );
        assert_eq!(served(4, false), (SERVED_OF_DAMAGED + 65536, u64::MAX));
    }
}
