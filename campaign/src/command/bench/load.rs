//! What else the machine does meanwhile.

use std::fs;

use serde::Serialize;

use crate::engine::Engine;

/// What `/proc/loadavg` says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    /// How many processes ran or wanted to, on average over a minute.
    pub(super) average: f64,
    /// How many do now.
    running: u32,
}

impl Load {
    /// Now; `None` where the system does not say.
    pub(super) fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/loadavg").ok()?)
    }

    /// `0.20 0.18 0.12 1/80 11206`: averages over 1, 5 and 15 minutes, running of all, the latest process.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_whitespace();
        let average = fields.next()?.parse().ok()?;
        let running = fields.nth(2)?.split_once('/')?.0.parse().ok()?;
        Some(Self { average, running })
    }
}

/// How many processes of others ran or wanted to while engines did, on average over looks.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct OtherWork {
    /// The processes that are ours.
    #[serde(skip)]
    ours: u32,
    looks: u32,
    processes: u32,
}

impl OtherWork {
    /// None yet. Ours are the process that looks, and the engine: one under libFuzzer; under the others the
    /// engine and the target, which wake each other and are for moments both ready to run.
    pub(super) const fn beside(engine: Engine) -> Self {
        let of_engine = match engine {
            Engine::Libfuzzer => 1,
            Engine::Afl | Engine::Honggfuzz => 2,
        };
        Self {
            ours: 1 + of_engine,
            looks: 0,
            processes: 0,
        }
    }

    /// Takes a look.
    pub(super) fn look(&mut self) {
        if let Some(load) = Load::now() {
            self.add(load.running);
        }
    }

    fn add(&mut self, running: u32) {
        self.looks += 1;
        self.processes += running.saturating_sub(self.ours);
    }

    fn average(self) -> f64 {
        f64::from(self.processes) / f64::from(self.looks.max(1))
    }

    /// Whether it is so much that it shows.
    pub(super) fn is_there(self) -> bool {
        self.average() >= 0.25
    }
}

impl std::fmt::Display for OtherWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.1} other processes wanted a core on average",
            self.average()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_understood() {
        let load = Load {
            average: 0.2,
            running: 3,
        };
        assert_eq!(Load::parse("0.20 0.18 0.12 3/80 11206\n"), Some(load));
        assert_eq!(Load::parse("0.20 0.18"), None);
        assert!(Load::now().is_some(), "/proc/loadavg");
    }

    #[test]
    fn one_engine_and_the_looking_are_no_other_work() {
        let mut two = OtherWork::beside(Engine::Afl);
        two.add(3);
        assert!(!two.is_there());
        two.add(4);
        assert!(two.is_there());
        let mut work = OtherWork::beside(Engine::Libfuzzer);
        assert!(!work.is_there());
        work.add(2);
        work.add(1);
        assert!(!work.is_there());
        work.add(5);
        assert!(work.is_there());
        assert_eq!(
            work.to_string(),
            "1.0 other processes wanted a core on average"
        );
    }
}
