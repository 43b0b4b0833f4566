//! Turns: fewer cores than engines.
//!
//! As many engines as there are cores run, each for a turn, then the next takes the place of the one that ran
//! longest. An engine that waits is stopped (`SIGSTOP`) and then continued, so it keeps all that it knows. The
//! system's scheduler alone would not divide fairly: AFL++ and honggfuzz hand each input to another process and
//! sleep until it answers, and with every such sleep they lose their place to an engine that never sleeps, as
//! libFuzzer.
//!
//! A turn is far shorter than the time that engines give one input, so no input is taken for a hang.

use std::time::Duration;

/// How long a turn is. With `N` engines on one core an engine waits `N - 1` of them, which must be less than the
/// engines' limit for one input, 5 s.
pub(super) const TURN: Duration = Duration::from_secs(1);

/// Which of `engines`, by place, run in turn number `turn` when `places` can run at once.
pub(super) fn running(turn: usize, engines: usize, places: usize) -> Vec<usize> {
    if engines <= places {
        return (0..engines).collect();
    }
    (0..places).map(|place| (turn + place) % engines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_has_the_same_share() {
        for (engines, places) in [(3, 1), (3, 2), (2, 1)] {
            let mut turns = vec![0; engines];
            for turn in 0..engines {
                let running = running(turn, engines, places);
                assert_eq!(running.len(), places);
                running.into_iter().for_each(|engine| turns[engine] += 1);
            }
            assert_eq!(turns, vec![places; engines], "{engines} on {places}");
        }
    }

    #[test]
    fn nobody_waits_where_there_are_places_enough() {
        assert_eq!(running(7, 2, 3), [0, 1]);
        assert_eq!(running(7, 0, 3), [] as [usize; 0]);
    }

    #[test]
    fn no_engine_waits_as_long_as_an_input_may_take() {
        let longest = u32::try_from(crate::engine::Engine::ALL.len()).unwrap() - 1;
        assert!(TURN * longest < Duration::from_secs(4));
    }
}
