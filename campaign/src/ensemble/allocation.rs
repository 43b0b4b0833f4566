//! Which engine gets how many cores.
//!
//! The rule: every engine has one worker; further cores go round in the order AFL++, libFuzzer, honggfuzz, so
//! that AFL++, whose further instances differ in their power schedule, is the first to get one. With fewer
//! cores than engines, the engines take turns on them (`turns`), and each may use any of the
//! cores in its turn. So `K` cores are never more than `K` busy cores.

use anyhow::{Result, ensure};
use rustix::thread::{CpuSet, sched_getaffinity};

use crate::engine::Engine;

/// The workers of one engine, and where they may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The engine.
    pub engine: Engine,
    /// For each worker the cores that it may use, by the system's numbers.
    pub workers: Vec<Vec<usize>>,
}

/// Divides `cores`, by the system's numbers, among `engines`.
///
/// # Errors
/// When there is no engine or no core.
pub fn allocate(engines: &[Engine], cores: &[usize]) -> Result<Vec<Share>> {
    let mut engines = engines.to_vec();
    engines.sort_unstable();
    engines.dedup();
    ensure!(!engines.is_empty(), "an ensemble needs an engine");
    ensure!(!cores.is_empty(), "an ensemble needs a core");
    let mut shares: Vec<Share> = engines
        .iter()
        .map(|&engine| Share {
            engine,
            workers: Vec::new(),
        })
        .collect();
    if cores.len() < engines.len() {
        for share in &mut shares {
            share.workers.push(cores.to_vec());
        }
        return Ok(shares);
    }
    for (place, &core) in cores.iter().enumerate() {
        shares[place % engines.len()].workers.push(vec![core]);
    }
    Ok(shares)
}

/// The first `count` of the cores that this process may use, by the system's numbers; all when `None`.
///
/// # Errors
/// When there are fewer.
pub fn first_cores(count: Option<usize>) -> Result<Vec<usize>> {
    let allowed: Vec<usize> = match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|&n| set.is_set(n)).collect(),
        // A system that does not pin has cores all the same.
        Err(_) => (0..std::thread::available_parallelism().map_or(1, usize::from)).collect(),
    };
    let count = count.unwrap_or(allowed.len());
    ensure!(
        (1..=allowed.len()).contains(&count),
        "{count} cores are asked for, and this process may use {}",
        allowed.len()
    );
    Ok(allowed[..count].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many workers each engine has on cores 10, 11, …
    fn workers(engines: &[Engine], cores: usize) -> Vec<(Engine, usize)> {
        let cores: Vec<usize> = (10..10 + cores).collect();
        let shares = allocate(engines, &cores).unwrap();
        let shares = shares.iter();
        shares
            .map(|share| (share.engine, share.workers.len()))
            .collect()
    }

    #[test]
    fn every_engine_has_a_core_and_the_others_go_round() {
        use Engine::{Afl, Honggfuzz, Libfuzzer};
        for (cores, expected) in [
            (3, [1, 1, 1]),
            (4, [2, 1, 1]),
            (5, [2, 2, 1]),
            (6, [2, 2, 2]),
            (8, [3, 3, 2]),
        ] {
            assert_eq!(
                workers(&Engine::ALL, cores),
                [
                    (Afl, expected[0]),
                    (Libfuzzer, expected[1]),
                    (Honggfuzz, expected[2])
                ],
                "{cores} cores"
            );
        }
        assert_eq!(workers(&[Afl], 4), [(Afl, 4)]);
        assert_eq!(
            workers(&[Honggfuzz, Libfuzzer, Honggfuzz], 2),
            [(Libfuzzer, 1), (Honggfuzz, 1)]
        );
    }

    #[test]
    fn no_core_is_given_twice_when_there_are_enough() {
        let cores: Vec<usize> = (0..7).collect();
        let shares = allocate(&Engine::ALL, &cores).unwrap();
        let mut given: Vec<usize> = shares
            .into_iter()
            .flat_map(|share| share.workers.concat())
            .collect();
        given.sort_unstable();
        assert_eq!(given, cores);
    }

    #[test]
    fn fewer_cores_than_engines_are_for_all() {
        for cores in [vec![5], vec![5, 9]] {
            let shares = allocate(&Engine::ALL, &cores).unwrap();
            assert_eq!(shares.len(), 3);
            assert!(shares.iter().all(|share| share.workers == [cores.clone()]));
        }
    }

    #[test]
    fn nothing_is_not_divided() {
        assert!(allocate(&[], &[1]).is_err());
        assert!(allocate(&Engine::ALL, &[]).is_err());
        assert!(first_cores(Some(0)).is_err());
        assert!(first_cores(Some(1 << 20)).is_err());
        assert_eq!(first_cores(Some(1)).unwrap().len(), 1);
    }
}
