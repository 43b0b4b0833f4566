//! Recipes of vhdx images: what they say of their images is true, by the scanner and by QEMU, and they
//! reach what they claim.

mod found;
mod knobs;
mod qemu;
mod reach;

use built_in::SUBJECT;
use harness_core::MockDevice;
use harness_core::subject::{ScanErrorKind, ScanFormat, ScanRequest};
use recipes::{LENGTH, Recipe, at};
use sparse::SparseImage;
use testing::random::Random;
use types::AllocationSummary;

const K: u64 = 1 << 10;
const M: u64 = 1 << 20;

/// A recipe's bytes.
type Bytes = [u8; LENGTH];

/// A vhdx recipe: its bytes go from nearly all plain to anything at all.
fn random_recipe(random: &mut Random) -> Bytes {
    let mut any = || random.next().to_le_bytes()[0];
    let mut bytes: Bytes = std::array::from_fn(|_| any());
    let how = random.index(8);
    let keep_one_in = [32, 16, 8, 4, 2, 2, 1, 1][how];
    for byte in &mut bytes {
        if random.below(keep_one_in) != 0 {
            *byte = 0;
        }
    }
    // Blocks are what it is about; most of them hold something that they may hold.
    for run in 0..random.index(9) {
        let run = at::RUNS + 4 * run;
        bytes[run..run + 4].copy_from_slice(&random.next().to_le_bytes()[..4]);
        if random.below(4) != 0 {
            bytes[run + 3] %= 8;
        }
    }
    if how != 7 {
        bytes[at::DAMAGES..at::RARE].fill(0);
        bytes[at::CHECKSUMS] = 0;
        bytes[at::END_MODE] = 0;
    }
    if random.coin() {
        bytes[at::RARE] = 0;
    }
    if random.coin() {
        let width = 1 + random.next().to_le_bytes()[0] % 15;
        bytes[at::SIZE_MODE] = width << 2;
        bytes[at::SIZE..at::SIZE + 8].copy_from_slice(&random.next().to_le_bytes());
    }
    bytes[at::FORMAT] = 3;
    bytes
}

fn decode(bytes: &Bytes) -> Recipe {
    let recipe = Recipe::decode(bytes).expect("a recipe");
    assert_eq!(recipe.format, ScanFormat::Vhdx);
    recipe
}

/// What the scanner answers.
fn scan(recipe: &Recipe, image: &SparseImage) -> Result<AllocationSummary, ScanErrorKind> {
    let size = recipe.conditions.sector_size;
    let mut device = MockDevice::new(size, recipe.conditions.index);
    device.set_sparse_input(image);
    let (mut first, mut second) = (vec![0xa5; size as usize], vec![0x5a; size as usize]);
    let answer = SUBJECT.scanner.scan(ScanRequest {
        format: recipe.format,
        calls: device.build_call_table(),
        device: device.index(),
        caches: [&mut first, &mut second],
        unit: recipe.unit,
        twice: false,
    });
    assert_eq!(device.misuse(), None);
    answer.result.map_err(ScanErrorKind::from)
}
