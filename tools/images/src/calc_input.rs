//! Inputs of `fuzz_measure_calc`: a question to a calculator as bytes. `harness_core::calc` has the layout.

use harness_core::calc::{CalcCase, MAX_INPUT, MIN_INPUT};
use shared::AllocationSummary;
use types::Options as CalcOptions;

use super::formats;

/// The fields: their names, where they begin, and their lengths, in bytes.
const FIELDS: [(&str, usize, usize); 17] = [
    ("format", 0, 1),
    ("refcount", 1, 1),
    ("flags", 2, 1),
    ("preallocation", 3, 1),
    ("vmdk", 4, 1),
    ("vhd", 5, 1),
    ("size", 6, 8),
    ("data", 14, 8),
    ("cluster", 22, 4),
    ("grain", 26, 4),
    ("block", 30, 4),
    ("luks", 34, 8),
    ("reading", 42, 1),
    ("touched", 43, 8),
    ("unit", 51, 8),
    ("probe", 59, 1),
    ("more", 60, 8),
];

/// An input in the making.
#[derive(Debug, Clone)]
pub(crate) struct CalcInput([u8; MAX_INPUT]);

impl CalcInput {
    /// The question to the calculator of `options` about the disk of `summary`.
    pub(crate) fn new(options: &CalcOptions, summary: &AllocationSummary) -> Self {
        let format = formats::of_options(options);
        let mut all = formats::ALL.into_iter();
        let number = all.position(|other| other == format).unwrap_or(0);
        let mut input = Self([0; MAX_INPUT]);
        input.set("format", number as u64);
        for (name, value) in format.driver.fields(options) {
            input.set(name, value);
        }
        input.set("size", summary.virtual_size);
        input.set("data", summary.allocated_bytes);
        if let Some(touched) = summary.touched {
            // The count was made for the unit that follows.
            input.set("reading", 3 << 4);
            input.set("touched", touched.count);
            input.set("unit", touched.unit);
        }
        input
    }

    /// Sets a field; `None` when there is none of that name.
    pub(crate) fn set(&mut self, name: &str, value: u64) -> Option<()> {
        let (_, at, length) = FIELDS.into_iter().find(|(field, ..)| *field == name)?;
        self.0[at..at + length].copy_from_slice(&value.to_le_bytes()[..length]);
        Some(())
    }

    /// The input, without zeros at its end, which read the same.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let end = self.0.iter().rposition(|&byte| byte != 0);
        self.0[..end.map_or(0, |end| end + 1).max(MIN_INPUT)].to_vec()
    }
}

/// Options that are nearer to the format's defaults, each in one field, or in one flag.
pub(crate) fn simpler(options: &CalcOptions) -> Vec<CalcOptions> {
    let format = formats::of_options(options);
    let input = CalcInput::new(options, &AllocationSummary::new(0, 0));
    let mut simpler = Vec::new();
    let fields = format.driver.fields(options).into_iter();
    for ((name, value), (_, plain)) in fields.zip(format.driver.fields(&format.driver.defaults())) {
        let changed = value ^ plain;
        let steps = if name == "flags" {
            (0..8).map(|bit| changed & 1 << bit).collect()
        } else {
            vec![changed]
        };
        for step in steps.into_iter().filter(|&step| step != 0) {
            let mut input = input.clone();
            input.set(name, value ^ step);
            simpler.extend(CalcCase::decode(&input.bytes()).map(|case| case.options));
        }
    }
    simpler
}
