//! A library that reads through a call table without a context, and answers without a reason, as a subject.
#![forbid(unsafe_code)]

use harness_core::subject::ScanFormat;
use harness_core::{ImageFile, Judgement, Library, Map, Refusal, Subject};

pub static SUBJECT: Subject<'static> = Subject::new("subject::SUBJECT")
    .with_scanner(&Library::new(&[ScanFormat::Vhd], map))
    .held_to(
        Judgement::REFUSALS
            .and(Judgement::ACCEPTS)
            .and(Judgement::WORK)
            .and(Judgement::MEMORY),
    )
    .with_known(include_str!("../../known.toml"));

fn map(image: ImageFile, _format: ScanFormat) -> Result<Map, Refusal> {
    let sums = bridge::with_call_table(image, vhd_sums::scan_allocation);
    let sums = sums.ok_or_else(|| Refusal::words("no reason"))?;
    Ok(Map::of_sum(sums.virtual_size, sums.allocated_bytes))
}
