//! PACKAGE as a subject.
#![forbid(unsafe_code)]

use harness_core::subject::ScanFormat;
use harness_core::{ImageFile, Library, Map, Refusal, Subject};

/// What is fuzzed and replayed. It is held to right values alone; `.held_to(…)` holds it to more.
pub static SUBJECT: Subject<'static> = Subject::new("subject::SUBJECT")
    // The formats that the library reads: of Qcow2, Vmdk, Vhd and Vhdx.
    .with_scanner(&Library::new(&[ScanFormat::Qcow2], map))
    .with_known(include_str!("../../known.toml"));

/// How large the virtual disk is, and which extents of it hold data, all in bytes. `?` makes any error a refusal.
fn map(image: ImageFile, _format: ScanFormat) -> Result<Map, Refusal> {
    todo!(
        "open `image` ({} bytes, `Read + Seek`) with CRATE; then `let mut map = Map::new(virtual_size)`, \
         `map.add(start, length)` for each extent of data, `Ok(map)`",
        image.size()
    )
}
