//! Gathers how an ensemble stands from what the engines say and from what was measured.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::{EngineStatus, FindStatus, Regions, State, Status};
use crate::engine::Engine;
use crate::ensemble::live::Measured;
use crate::ensemble::{Outcome, View};
use crate::fuzz::Find;
use crate::output::from_here;

/// Speed is told over the last so many views, which come about every second.
const SPEED_OVER: usize = 10;

/// What gathers the status of a campaign while it runs.
#[derive(Debug)]
pub struct Gathering {
    /// The target.
    pub target: String,
    /// When it began.
    pub started: SystemTime,
    /// How long it is to run.
    pub time: Duration,
    /// How many cores it may use.
    pub cores: usize,
    /// All regions of the code under test.
    pub regions_total: usize,
    history: VecDeque<(Duration, BTreeMap<Engine, u64>)>,
}

impl Gathering {
    /// Of a campaign that begins now.
    #[must_use]
    pub fn new(target: &str, time: Duration, cores: usize, regions_total: usize) -> Self {
        Self {
            target: target.to_owned(),
            started: SystemTime::now(),
            time,
            cores,
            regions_total,
            history: VecDeque::new(),
        }
    }

    /// How it stands now.
    pub fn view(&mut self, view: &View<'_>, measured: &Measured) -> Status {
        let executions = view.members.iter();
        let executions = executions.map(|member| (member.engine, member.status.executions));
        self.history.push_back((view.elapsed, executions.collect()));
        if self.history.len() > SPEED_OVER {
            self.history.pop_front();
        }
        let engines = view.members.iter().map(|member| EngineStatus {
            engine: member.engine,
            workers: member.workers,
            executions: member.status.executions,
            executions_per_second: self.speed(member.engine),
            kept: view.pool.of(member.engine),
            gave: 0,
            given: member.given,
            finds: member.finds(),
            core_seconds: member.core_time().as_secs_f64(),
            stability: member.status.stability,
            failure: member.failure(),
            ..EngineStatus::measured(member.engine, measured)
        });
        let mut status = self.status(State::Running, view.elapsed, measured);
        status.engines = engines.collect();
        let receivers: Vec<(Engine, usize)> = status
            .engines
            .iter()
            .map(|engine| (engine.engine, engine.given))
            .collect();
        for engine in &mut status.engines {
            let others = receivers
                .iter()
                .filter(|(other, _)| *other != engine.engine);
            if others.map(|(_, given)| given).sum::<usize>() > 0 {
                engine.gave = engine.kept;
            }
        }
        status.add_up();
        status
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self, outcome: &Outcome, measured: &Measured) -> Status {
        let engines = outcome.members.iter().map(|member| EngineStatus {
            engine: member.engine,
            workers: member.workers,
            executions: member.session.status.executions,
            executions_per_second: member.session.executions_per_second(),
            kept: member.session.kept.len(),
            gave: member.gave,
            given: member.given,
            finds: member.session.finds.len(),
            core_seconds: member.core_time.as_secs_f64(),
            stability: member.session.status.stability,
            failure: member.session.failure.clone(),
            ..EngineStatus::measured(member.engine, measured)
        });
        let state = match outcome.interrupted {
            true => State::Interrupted,
            false => State::Ended,
        };
        let mut status = self.status(state, outcome.elapsed, measured);
        status.engines = engines.collect();
        status.add_up();
        status
    }

    fn status(&self, state: State, elapsed: Duration, measured: &Measured) -> Status {
        Status {
            version: 1,
            target: self.target.clone(),
            state,
            started: humantime::format_rfc3339_seconds(self.started).to_string(),
            elapsed_seconds: elapsed.as_secs_f64(),
            time_seconds: self.time.as_secs(),
            cores: self.cores,
            core_seconds: 0.0,
            regions: Regions {
                beginnings: measured.beginnings.len(),
                reached: measured.reached().len(),
                shipped: measured
                    .shipped
                    .as_ref()
                    .map(std::collections::BTreeSet::len),
                total: self.regions_total,
            },
            not_measured: measured.waiting,
            engines: Vec::new(),
            finds: groups(&measured.finds),
        }
    }

    fn speed(&self, engine: Engine) -> f64 {
        let (Some((from, before)), Some((to, now))) = (self.history.front(), self.history.back())
        else {
            return 0.0;
        };
        let of = |executions: &BTreeMap<Engine, u64>| executions.get(&engine).copied().unwrap_or(0);
        // The first view is compared with the start.
        let (from, before) = match self.history.len() {
            1 => (Duration::ZERO, 0),
            _ => (*from, of(before)),
        };
        let seconds = to.saturating_sub(from).as_secs_f64().max(0.001);
        #[allow(clippy::cast_precision_loss, reason = "a rate, to be printed")]
        let executions = of(now).saturating_sub(before) as f64;
        executions / seconds
    }
}

impl EngineStatus {
    /// What was measured of an engine, and nothing else.
    fn measured(engine: Engine, measured: &Measured) -> Self {
        let reach = measured.engines.get(&engine);
        Self {
            engine,
            workers: 0,
            executions: 0,
            executions_per_second: 0.0,
            kept: 0,
            gave: 0,
            given: 0,
            regions: measured.of(engine).len(),
            regions_only_here: measured.only(engine),
            last_new_seconds: reach.and_then(|reach| Some(reach.last_new?.as_secs_f64())),
            finds: 0,
            core_seconds: 0.0,
            stability: None,
            failure: None,
        }
    }
}

fn groups(finds: &[Find]) -> Vec<FindStatus> {
    let mut groups: BTreeMap<&str, Vec<&Find>> = BTreeMap::new();
    for find in finds {
        groups.entry(&find.check).or_default().push(find);
    }
    let groups = groups.into_iter().map(|(check, finds)| {
        let mut engines: Vec<String> = finds.iter().map(|find| find.from.clone()).collect();
        engines.sort();
        engines.dedup();
        let size = |find: &&&Find| find.path.metadata().map_or(u64::MAX, |file| file.len());
        FindStatus {
            check: check.to_owned(),
            inputs: finds.len(),
            engines,
            example: finds
                .iter()
                .min_by_key(size)
                .map_or_else(PathBuf::new, |find| from_here(&find.path).to_owned()),
        }
    });
    groups.collect()
}

impl Status {
    fn add_up(&mut self) {
        self.core_seconds = self.engines.iter().map(|engine| engine.core_seconds).sum();
    }
}

/// A status, for tests.
#[cfg(test)]
pub(super) fn sample() -> Status {
    let mut gathering = Gathering::new("fuzz_x", Duration::from_secs(30), 2, 100);
    gathering.started = SystemTime::UNIX_EPOCH;
    let mut measured = Measured {
        beginnings: (0..10).collect(),
        shipped: Some((0..90).collect()),
        waiting: 3,
        ..Measured::default()
    };
    measured.finds.push(Find {
        check: "a.check".to_owned(),
        message: "because".to_owned(),
        path: "gone".into(),
        from: "afl".to_owned(),
    });
    let mut status = gathering.status(State::Running, Duration::from_secs(12), &measured);
    status.engines.push(EngineStatus {
        workers: 1,
        executions: 1_234_567,
        core_seconds: 11.6,
        kept: 5,
        ..EngineStatus::measured(Engine::Afl, &measured)
    });
    status.add_up();
    status
}
