//! Which engine gets how many cores, and whose turn it is when there are fewer cores than engines.
//!
//! The rule: every engine has one worker; further cores go round in the order AFL++, libFuzzer, honggfuzz, so
//! that AFL++, whose further instances differ in their power schedule, is the first to get one.
//!
//! With fewer cores than engines, as many engines as there are cores run, each for a turn, on any of the
//! cores. Then the next takes the place of the one that ran longest. An engine that waits is stopped
//! (`SIGSTOP`) and then continued, so it keeps all that it knows. The system's scheduler alone would not divide
//! fairly: AFL++ and honggfuzz hand each input to another process and sleep until it answers. With every such
//! sleep they lose their place to an engine that never sleeps, as libFuzzer.

use std::time::Duration;

use crate::engine::Engine;

/// How long a turn is. With `N` engines on one core an engine waits `N - 1` of them, which must be less than
/// the engines' limit for one input, 5 s: then no input is taken for a hang.
pub(super) const TURN: Duration = Duration::from_secs(1);

/// The workers of one engine: for each the cores that it may use, by the system's numbers; none for any core.
pub(super) type Share = (Engine, Vec<Vec<usize>>);

/// Divides so many workers among `engines`, each of which is named once, and `cores` among them.
pub(super) fn allocate(engines: &[Engine], at_once: usize, cores: &[usize]) -> Vec<Share> {
    let takes_turns = at_once < engines.len();
    let workers_of = |nth: usize| match takes_turns {
        true => vec![cores.to_vec()],
        false => (nth..at_once)
            .step_by(engines.len())
            .map(|place| cores.get(place).copied().into_iter().collect())
            .collect(),
    };
    let each = engines.iter().enumerate();
    each.map(|(nth, &engine)| (engine, workers_of(nth)))
        .collect()
}

/// Which of `engines`, by place, run in turn number `turn` when `places` can run at once.
pub(super) fn running(turn: usize, engines: usize, places: usize) -> Vec<usize> {
    let first = if engines <= places { 0 } else { turn };
    (0..places.min(engines))
        .map(|place| (first + place) % engines)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Engine::Afl;
    use std::collections::BTreeSet;

    #[test]
    fn every_engine_has_a_core_and_the_others_go_round() {
        for (count, expected) in [
            (3, [1, 1, 1]),
            (4, [2, 1, 1]),
            (5, [2, 2, 1]),
            (6, [2, 2, 2]),
            (8, [3, 3, 2]),
        ] {
            let cores: Vec<usize> = (10..10 + count).collect();
            let shares = allocate(&Engine::ALL, count, &cores);
            let workers: Vec<usize> = shares.iter().map(|share| share.1.len()).collect();
            assert_eq!(workers, expected, "{count} cores");
            let mut given = shares.into_iter().flat_map(|share| share.1.concat());
            let given: BTreeSet<usize> = given.by_ref().collect();
            assert!(given.into_iter().eq(cores), "each core is given once");
        }
        let alone = allocate(&[Afl], 2, &[4, 5]);
        assert_eq!(alone, [(Afl, vec![vec![4], vec![5]])]);
        assert_eq!(allocate(&[Afl], 1, &[]), [(Afl, vec![Vec::new()])]);
    }

    #[test]
    fn fewer_cores_than_engines_are_for_all_in_turns_of_the_same_share() {
        let shares = allocate(&Engine::ALL, 2, &[5, 9]);
        assert_eq!(shares, Engine::ALL.map(|one| (one, vec![vec![5, 9]])));
        for (engines, places) in [(3, 1), (3, 2), (2, 1)] {
            let turns = (0..engines).map(|turn| running(turn, engines, places));
            let mut all = turns.collect::<Vec<_>>().concat();
            all.sort_unstable();
            let expected = (0..engines).flat_map(|engine| vec![engine; places]);
            assert!(all.into_iter().eq(expected), "{engines} on {places}");
        }
        assert_eq!(running(7, 2, 3), [0, 1], "nobody waits without need");
        let longest = u32::try_from(Engine::ALL.len()).unwrap() - 1;
        assert!(TURN * longest < Duration::from_secs(4));
    }
}
