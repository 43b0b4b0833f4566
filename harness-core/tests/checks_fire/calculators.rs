//! The checks of `fuzz_measure_calc`: an answer, or one of two, goes wrong.

use super::*;

pub(crate) fn checks_fire() {
    let fires = |id, answer: Measured, input: Vec<u8>| {
        let calculators = CalculatesWith::new(|_, _: &AllocationSummary, _| answer);
        let subject = SUBJECT.with_calculators(&calculators);
        assert_fires(&subject, "fuzz_measure_calc", &input, id);
    };
    let full = (1 << 20) + 1;
    let plain = |format| calc_input(format, 0, DISK, None);
    let too_much_data = calc_input(QCOW2, 0, (1 << 20, (1 << 20) + 1), None);
    let id = "calc.required_le_fully_allocated";
    fires(id, sizes(full + 1, full), plain(QCOW2));
    let id = "calc.raw_covers_virtual_size";
    fires(id, sizes((1 << 20) - 1, full), plain(RAW));
    for answer in [sizes(0, full), sizes(1, 1 << 20)] {
        fires("calc.non_raw_has_overhead", answer, plain(VHDX));
    }
    fires("calc.sum_fits_u64", sizes(1 << 63, 1 << 63), plain(QCOW2));
    for preallocation in [2, 3] {
        let input = calc_input(QCOW2, preallocation, DISK, None);
        let id = "calc.qcow2_preallocated_is_full";
        fires(id, sizes(full - 1, full), input);
    }
    let id = "calc.impossible_data_refused";
    fires(id, sizes(full, full), too_much_data.clone());
    let too_many_units = calc_input(QCOW2, 0, DISK, Some(17));
    let id = "calc.impossible_units_refused";
    fires(id, sizes(full, full), too_many_units);
    // An answer that is only not right; an error where an answer is due; another error.
    let id = "calc.answer_is_exact";
    fires(id, sizes(full, full), plain(QCOW2));
    fires(id, Err(MeasureError::InvalidSize), plain(RAW));
    fires(id, Err(MeasureError::Overflow), too_much_data);
}

/// The second of two questions gets a wrong answer, the first one the right one.
pub(crate) fn relations_fire() {
    let fires = |probe: u8, more: u64, second: Measured, id| {
        let calculators = CalculatesWith::new(
            |asked, _: &AllocationSummary, right| {
                if asked == 0 { right } else { second }
            },
        );
        let subject = SUBJECT.with_calculators(&calculators);
        let mut input = calc_input(QCOW2, 0, DISK, None);
        input.push(probe);
        input.extend(more.to_le_bytes());
        blame(&assert_fires(&subject, "fuzz_measure_calc", &input, id))
    };
    let right = BuiltIn.measure(
        &AllocationSummary::new(DISK.0, DISK.1),
        &Options::Qcow2(Qcow2Opts::default()),
    );
    let MeasureOutput {
        required,
        fully_allocated,
    } = right.unwrap();
    let again = fires(1, 0, Err(MeasureError::Overflow), "calc.same_answer_again");
    assert_eq!(again, "qcow2 calculator: ");
    // What is wrong with the second answer is known from the model's answer to the second question.
    for second in [
        sizes(required - 1, fully_allocated),
        sizes(required, fully_allocated - 1),
    ] {
        let blame = fires(2, 512, second, "calc.monotone_in_virtual_size");
        assert_eq!(blame, "qcow2 calculator: fully_allocated is wrong");
    }
    for (second, field) in [
        (sizes(required - 1, fully_allocated), "required"),
        (sizes(required, fully_allocated + 1), "fully_allocated"),
        (sizes(required, fully_allocated - 1), "fully_allocated"),
    ] {
        let blame = fires(3, 512, second, "calc.monotone_in_data");
        assert_eq!(blame, format!("qcow2 calculator: {field} is wrong"));
    }
}
