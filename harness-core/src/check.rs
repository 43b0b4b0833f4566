//! The checks of all targets.
//!
//! [`worker::check`] defines what a check is and how it is evaluated. Each check here has its statement once, also
//! where two targets have it under an id each.

use worker::{Check, Layer};

macro_rules! checks {
    (
        scans { $($scan:ident = $scan_layer:ident: $scan_statement:literal;)* }
        $($name:ident = $layer:ident $id:literal: $statement:literal;)*
    ) => {
        /// What every scan is held to, whichever target makes it: [`SCAN`] and [`IMAGE`].
        #[derive(Debug)]
        pub struct ScanChecks {
            $(#[doc = $scan_statement] pub $scan: Check,)*
        }

        /// The checks on the scan of `fuzz_measure_scan`.
        pub static SCAN: ScanChecks = ScanChecks {
            $($scan: Check::new(concat!("scan.", stringify!($scan)), Layer::$scan_layer, $scan_statement),)*
        };
        /// The checks on the scans of `fuzz_measure_image`.
        pub static IMAGE: ScanChecks = ScanChecks {
            $($scan: Check::new(concat!("image.", stringify!($scan)), Layer::$scan_layer, $scan_statement),)*
        };
        $(#[doc = $statement] pub static $name: Check = Check::new($id, Layer::$layer, $statement);)*

        /// Every check there is.
        pub static ALL: &[&Check] = &[$(&$name,)* $(&SCAN.$scan,)* $(&IMAGE.$scan),*];
    };
}

checks! {
    scans {
        allocated_le_virtual_size = Invariant:
            "no more bytes hold data than the virtual disk has";
        touched_le_units_of_disk = Invariant:
            "no more units are touched than the virtual disk has, and none without data";
        unit_is_the_one_asked_for = Invariant:
            "touched units are counted when a unit is given, for that unit, and not otherwise";
        reads_bounded = Work:
            "sector reads are at most four times the image's sectors of 512 bytes, plus 64";
        reads_inside_the_device = Work:
            "every read is of the device given, below its capacity, and exactly one sector long";
        bytes_read_is_what_was_served = Work:
            "bytes_read is what the device served";
        answer_is_exact = Exact:
            "the answer is the reference model's, in all its numbers or in the kind of error";
    }

    CALC_REQUIRED_LE_FULLY_ALLOCATED = Invariant "calc.required_le_fully_allocated":
        "required is at most fully_allocated";
    CALC_RAW_COVERS_VIRTUAL_SIZE = Invariant "calc.raw_covers_virtual_size":
        "a raw image takes at least virtual_size bytes, whatever it holds";
    CALC_NON_RAW_HAS_OVERHEAD = Invariant "calc.non_raw_has_overhead":
        "a fully allocated image that carries its own metadata is larger than its disk, and even an empty one is not empty";
    CALC_SUM_FITS_U64 = Invariant "calc.sum_fits_u64":
        "required + fully_allocated fits 64 bits; otherwise the answer is the error Overflow";
    CALC_QCOW2_PREALLOCATED_IS_FULL = Invariant "calc.qcow2_preallocated_is_full":
        "with preallocation falloc or full, a qcow2 image requires what it takes when fully allocated";
    CALC_IMPOSSIBLE_DATA_REFUSED = Invariant "calc.impossible_data_refused":
        "an answer is only given when allocated_bytes is at most virtual_size";
    CALC_IMPOSSIBLE_UNITS_REFUSED = Invariant "calc.impossible_units_refused":
        "an answer is only given when the touched units are no more than the disk has";
    CALC_ANSWER_IS_EXACT = Exact "calc.answer_is_exact":
        "the answer is the reference model's, in both values or in the kind of error";
    CALC_UNIT_IS_EXACT = Exact "calc.unit_is_exact":
        "the unit that data are to be counted in is the cluster, grain or block size, as set or by default";
    CALC_LUKS_PAYLOAD_IS_EXACT = Exact "calc.luks_payload_is_exact":
        "the size of a LUKS header is the reference model's";
    CALC_SAME_ANSWER_AGAIN = Metamorphic "calc.same_answer_again":
        "the same question has the same answer";
    CALC_MONOTONE_IN_VIRTUAL_SIZE = Metamorphic "calc.monotone_in_virtual_size":
        "a larger disk with the same data takes no less, full or as it is (but VHDX's default block size grows with the disk, and with it changes what data takes; and a VHDX of no bytes takes more than a small one)";
    CALC_MONOTONE_IN_DATA = Metamorphic "calc.monotone_in_data":
        "more data on the same disk takes no less, and the full image stays as large";

    SCAN_FACTS_ARE_EXACT = Exact "scan.facts_are_exact":
        "what an opened image says of itself is what the reference model reads in it";

    IMAGE_ANSWER_IS_THE_TRUTH = Truth "image.answer_is_the_truth":
        "the answer on an undamaged image is what its recipe says";
    IMAGE_SAME_ANSWER_AGAIN = Metamorphic "image.same_answer_again":
        "the same scan of the same image has the same answer, and reads the same";
    IMAGE_SAME_FOR_EVERY_SECTOR_SIZE = Metamorphic "image.same_for_every_sector_size":
        "the answer does not depend on the device's sector size";
    IMAGE_SAME_FOR_EVERY_CACHE = Metamorphic "image.same_for_every_cache":
        "the answer does not depend on the caches' content, nor on their size";
    IMAGE_SAME_ON_A_SECOND_SCAN = Metamorphic "image.same_on_a_second_scan":
        "a second scan with the same state has the same answer";
    IMAGE_SAME_BYTES_FOR_EVERY_UNIT = Metamorphic "image.same_bytes_for_every_unit":
        "bytes and virtual size do not depend on the unit that is counted, nor on whether one is";
    IMAGE_MORE_DATA_COUNTS_MORE = Metamorphic "image.more_data_counts_more":
        "the same image with one run of data more holds no less";
    IMAGE_FAILED_READ_IS_AN_IO_ERROR = Fault "image.failed_read_is_an_io_error":
        "a read that fails is reported as the I/O error of that sector, and never turned into a number";
    IMAGE_CALCULATORS_ACCEPT = Composition "image.calculators_accept":
        "every calculator takes what a scan answers: it refuses at most a disk that it refuses when empty";
    IMAGE_CALCULATORS_ARE_EXACT = Composition "image.calculators_are_exact":
        "every calculator's answer on what a scan answers is the reference model's";
    IMAGE_REQUIRED_FITS_THE_FILE = Composition "image.required_fits_the_file":
        "what the calculator of the image's own format requires relates to the size of its file as the recipe says";

    DETECT_READS_BOUNDED = Work "detect.reads_bounded":
        "detection reads at most five sectors, each of them in the file";
    DETECT_FORMATS_ARE_EXACT = Exact "detect.formats_are_exact":
        "the formats that a file is of are those of the reference model";
    DETECT_DESCRIPTOR_IS_EXACT = Exact "detect.descriptor_is_exact":
        "what is understood of a VMDK's descriptor, or its first bad line, is the reference model's";
    DETECT_SAME_FOR_EVERY_SECTOR_SIZE = Metamorphic "detect.same_for_every_sector_size":
        "the formats do not depend on the device's sector size";
    DETECT_FAILED_READ_IS_AN_IO_ERROR = Fault "detect.failed_read_is_an_io_error":
        "whichever read fails, the I/O error of that sector is reported, and never a format or none";
    DETECT_WHAT_IS_SCANNED_IS_DETECTED = Composition "detect.what_is_scanned_is_detected":
        "a format whose scanner takes the file is among its formats (but for a VHD that is all data: a raw disk may end in an older one's footer)";
}

/// What a call of a library takes. It is apart from [`ALL`]: only projects that count memory evaluate it.
pub static MEMORY: Check = Check::new(
    "subject.memory",
    Layer::Work,
    "a call takes at most 64 MiB for caches and four times the image, of which 256 MiB count",
);

/// What a library reads. It is apart from [`ALL`]: our own code does not read.
pub static CONTENT: Check = Check::new(
    "image.content_is_exact",
    Layer::Truth,
    "what is read of the disk is what the image holds there, zeros where it holds nothing, and nothing past the end",
);

/// What a library reads of an encrypted disk. It is apart from [`ALL`] as [`CONTENT`] is.
pub static CIPHERTEXT: Check = Check::new(
    "image.ciphertext_is_not_content",
    Layer::Truth,
    "an encrypted disk is refused without its key: what the file holds is never given back as what the disk holds",
);

/// That sizes are the model's: see [`Calculators::has_own_sizes`](crate::subject::Calculators::has_own_sizes).
pub(crate) static SIZES: [&Check; 3] = [
    &CALC_ANSWER_IS_EXACT,
    &IMAGE_CALCULATORS_ARE_EXACT,
    &IMAGE_REQUIRED_FITS_THE_FILE,
];

/// What only the deeper traits answer.
pub(crate) static DETAILS: [&Check; 12] = [
    &SCAN.reads_inside_the_device,
    &SCAN.bytes_read_is_what_was_served,
    &IMAGE.reads_inside_the_device,
    &IMAGE.bytes_read_is_what_was_served,
    &CALC_UNIT_IS_EXACT,
    &CALC_LUKS_PAYLOAD_IS_EXACT,
    &SCAN_FACTS_ARE_EXACT,
    &IMAGE_SAME_FOR_EVERY_SECTOR_SIZE,
    &IMAGE_SAME_FOR_EVERY_CACHE,
    &IMAGE_SAME_ON_A_SECOND_SCAN,
    &DETECT_DESCRIPTOR_IS_EXACT,
    &DETECT_SAME_FOR_EVERY_SECTOR_SIZE,
];

/// That a calculator refuses what cannot be.
pub(crate) static IMPOSSIBLE: [&Check; 3] = [
    &CALC_IMPOSSIBLE_DATA_REFUSED,
    &CALC_IMPOSSIBLE_UNITS_REFUSED,
    &CALC_SUM_FITS_U64,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_name_their_target() {
        let ids: BTreeSet<_> = ALL.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for id in ids {
            let (family, name) = id.split_once('.').expect("an id has a family");
            let families = ["calc", "scan", "image", "detect"];
            assert!(families.contains(&family), "{id}");
            let is_plain = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
            assert!(name.bytes().all(is_plain), "{id}");
        }
    }
}
