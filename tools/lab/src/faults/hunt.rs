//! One engine hunts one fault: from the seeds, until a find fails in a replay too.

use std::time::Duration;

use anyhow::Result;
use campaign::comparison::contestant::Contestant;
use campaign::comparison::hunts::{Find, Hunt};
use campaign::engine::Engine;
use campaign::engine::session::{self, Setup};
use campaign::fuzz::Job;
use campaign::project::Project;
use campaign::replay::Replayer;

use super::patch::Fault;
use super::trial::Trials;

impl Trials<'_> {
    /// One engine (or several, which exchange what they find) on the targets of a fault, one after the other, each
    /// with its part of the time, until one has a find. `copy` is the project with the fault in it. None when it
    /// was interrupted.
    pub(super) fn hunt(
        &self,
        fault: &Fault,
        contestant: Contestant,
        core: usize,
        copy: &Project,
    ) -> Result<Option<Hunt>> {
        let engines = contestant.engines(&self.plan.contestants);
        let mut replayer = Replayer::new(copy.worker()?.to_owned());
        let mut hunt = Hunt {
            find: None,
            time_ms: 0,
            executions: 0,
            limit_ms: millis(self.plan.time),
            seed_fails: None,
            failure: None,
        };
        let store = self.plan.out.join("finds").join(&fault.name);
        let finds = |engine: Engine| store.join(engine.name());
        for (nth, name) in fault.targets.iter().enumerate() {
            let target = self.project.target(name)?;
            let spent = Duration::from_millis(hunt.time_ms);
            let targets_left = u32::try_from(fault.targets.len() - nth).unwrap_or(1);
            let time = self.plan.time.saturating_sub(spent) / targets_left;
            let builds = engines.iter().map(|&engine| {
                let build = engine.build(copy, name, contestant.sanitizer())?;
                Ok((engine, build))
            });
            let builds = builds.collect::<Result<_>>()?;
            let folder = self
                .plan
                .out
                .join(format!("run-{core}"))
                .join(contestant.to_string());
            let job = Job {
                target,
                setup: contestant.configured(Setup {
                    dictionary: self.project.dictionary(target),
                    cores: vec![core],
                    ..Setup::new(target, &builds, self.seeds.of(name), folder, time)
                }),
                finds: &finds,
                is_over_at_find: true,
            };
            let mut line = self.progress.session(contestant.title(), name, time);
            let fuzzed = job.run(&mut replayer, &mut |view| line.show(view))?;
            if hunt.seed_fails.is_none() {
                hunt.seed_fails = fuzzed.seed_fails().map(str::to_owned);
            }
            let Some(session) = &fuzzed.session else {
                continue;
            };
            if let Some(find) = fuzzed.first_find() {
                hunt.time_ms += millis(find.time);
                hunt.executions += find.executions;
                let input = find.path.strip_prefix(&self.plan.out).unwrap_or(&find.path);
                hunt.find = Some(Find {
                    target: target.name.clone(),
                    check: find.check.clone(),
                    input: input.display().to_string(),
                });
                hunt.failure = None;
                return Ok(Some(hunt));
            }
            if session::interrupted() {
                return Ok(None);
            }
            hunt.time_ms += millis(session.elapsed);
            hunt.executions += session.executions();
            hunt.failure = hunt.failure.or_else(|| session.failure());
        }
        Ok(Some(hunt))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
