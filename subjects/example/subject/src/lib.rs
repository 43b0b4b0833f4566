//! A small disk-image library, behind the traits of the harness.
//!
//! It has its own answer for raw images and its own scanner for qcow2, with mistakes of the kind that
//! are really made, and takes the rest from the built-in subject, as a library that
//! supports some of the formats would.
#![forbid(unsafe_code)]

use built_in::BuiltIn;
use harness_core::shared::DataTally;
use harness_core::subject::{
    AllocationSummary, Calculators, MeasureOutput, Measured, Options, ScanAnswer, ScanError,
    ScanFormat, ScanRequest, Scanner, Subject,
};

/// What is replayed.
pub static SUBJECT: Subject<'static> = Subject {
    calculators: &SmallLibrary,
    scanner: &SmallLibrary,
};

/// The library.
pub struct SmallLibrary;

impl Calculators for SmallLibrary {
    fn measure(&self, summary: &AllocationSummary, options: &Options) -> Measured {
        let answer = BuiltIn.measure(summary, options)?;
        if *options != Options::Raw {
            return Ok(answer);
        }
        // A mistake: a last sector that is there in part is lost.
        let size = summary.virtual_size / 512 * 512;
        Ok(MeasureOutput {
            required: size,
            fully_allocated: size,
        })
    }
}

impl Scanner for SmallLibrary {
    fn scan(&self, request: ScanRequest<'_>) -> ScanAnswer {
        if request.format != ScanFormat::Qcow2 {
            return BuiltIn.scan(request);
        }
        let mut bytes_read = 0;
        ScanAnswer {
            result: scan_qcow2(request, &mut bytes_read),
            again: None,
            bytes_read: Some(bytes_read),
        }
    }
}

/// Scans plain qcow2 images. Another mistake: whatever an entry names counts as data, zeroes too.
fn scan_qcow2(
    request: ScanRequest<'_>,
    bytes_read: &mut u64,
) -> Result<AllocationSummary, ScanError> {
    let sector_size = request.calls.get_input_sector_size(request.device);
    let [sector, _] = request.caches;
    let sector = &mut sector[..sector_size as usize];
    // Reads the sector that holds this byte of the image, and says where in the sector it is.
    let mut read = |offset: u64, buffer: &mut [u8]| {
        let number = offset / u64::from(sector_size);
        // A mistake: nobody asks whether the image is that long, nor how often a table is named.
        request
            .calls
            .read_input_sector(request.device, number, buffer)
            .map_err(|_| ScanError::Io { sector: number })?;
        *bytes_read += u64::from(sector_size);
        Ok((offset % u64::from(sector_size)) as usize)
    };
    if request.calls.get_input_capacity(request.device) < 512 {
        return Err(ScanError::NotThisFormat);
    }
    read(0, sector)?;
    if sector[..4] != *b"QFI\xfb" {
        return Err(ScanError::NotThisFormat);
    }
    let cluster_bits = be32(sector, 20);
    if !(9..=21).contains(&cluster_bits) {
        return Err(ScanError::Corrupt("cluster bits"));
    }
    let cluster = 1_u64 << cluster_bits;
    let virtual_size = be64(sector, 24).min(1 << 30);
    let l1_offset = be64(sector, 40) / 512 * 512;
    let l2_covers = cluster * (cluster / 8);

    let mut tally = DataTally::new(virtual_size, request.unit);
    for table in 0..virtual_size.div_ceil(l2_covers).min(64) {
        let at = read(l1_offset + table * 8, sector)?;
        let l2_offset = be64(sector, at) & 0x00ff_ffff_ffff_fe00;
        if l2_offset == 0 {
            continue;
        }
        for part in 0..cluster / 512 {
            let at = read(l2_offset + part * 512, sector)?;
            for entry in 0..64 {
                if be64(sector, at + entry * 8) & 0x00ff_ffff_ffff_fe00 != 0 {
                    let nth = part * 64 + entry as u64;
                    tally.add(table * l2_covers + nth * cluster, cluster);
                }
            }
        }
    }
    Ok(tally.summary())
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from(be32(bytes, at)) << 32 | u64::from(be32(bytes, at + 4))
}
