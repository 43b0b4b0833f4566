//! Making a case smaller while it differs in the same way.

/// How many smaller cases are tried; each runs QEMU's tools.
const MOST_TRIED: usize = 1000;

/// The smallest case found that is `still` as `case` is, where `simpler` lists what is smaller than a
/// case.
pub fn minimize<T>(
    case: T,
    simpler: impl Fn(&T) -> Vec<T>,
    mut still: impl FnMut(&T) -> bool,
) -> T {
    let mut case = case;
    let mut left = MOST_TRIED;
    loop {
        let mut is_smaller = false;
        let mut at = 0;
        // After a step the list goes on where it was: what failed before it mostly fails again.
        while let Some(other) = simpler(&case).into_iter().nth(at) {
            if left == 0 {
                return case;
            }
            left -= 1;
            if still(&other) {
                case = other;
                is_smaller = true;
            } else {
                at += 1;
            }
        }
        if !is_smaller {
            return case;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::minimize;

    #[test]
    fn what_does_not_matter_becomes_nothing() {
        let simpler = |&(one, other): &(u32, u32)| {
            let halves = [
                (one / 2, other),
                (one, other / 2),
                (one, other.saturating_sub(1)),
            ];
            halves
                .into_iter()
                .filter(|&case| case != (one, other))
                .collect()
        };
        assert_eq!(minimize((77, 200), simpler, |case| case.1 >= 10), (0, 10));
    }

    #[test]
    fn it_ends() {
        assert_eq!(minimize(0_u32, |case| vec![case + 1], |_| true), 1000);
    }
}
