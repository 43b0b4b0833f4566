//! Code under test for `tests/coverage.rs`, which knows the lines of this file.

pub fn branch(value: u8) -> u32 {
    if value > 9 {
        1 // above
    } else {
        2 // not above
    }
}

pub fn generic<T: Into<u64>>(value: T) -> u64 {
    let value = value.into();
    if value > 9 {
        value * 2 // above
    } else {
        value + 1 // not above
    }
}

pub fn unused(value: u8) -> u8 {
    value / 2
}

#[derive(Debug)]
pub struct Stop;

pub fn stops(value: u8) -> Result<u8, Stop> {
    let half = checked(value)?;
    Ok(half / 2)
}

fn checked(value: u8) -> Result<u8, Stop> {
    if value == 7 {
        std::process::abort();
    }
    if value == 8 {
        loop {
            std::hint::spin_loop();
        }
    }
    if value == 9 {
        panic!("nine");
    }
    if value > 99 { Err(Stop) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_is_not_in_the_build() {
        assert_eq!(super::branch(1), 2);
    }
}
