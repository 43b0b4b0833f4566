//! Engines that run while a screen and a file show how they stand.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;

use super::keep;
use crate::atomic;
use crate::corpora::zip_of;
use crate::corpus::Store;
use crate::coverage::{SourceMap, build_worker};
use crate::engine::session::{Figures, View};
use crate::fuzz::{Fuzzed, Job};
use crate::monitor::status::{Campaign, State};
use crate::monitor::{Feed, Measured, Meter};
use crate::output::outln;
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::Replayer;

/// A job with a live status.
pub(super) struct Watched<'a> {
    pub(super) job: &'a Job<'a>,
    /// The worker that replays.
    pub(super) worker: &'a Path,
    /// The file with the status.
    pub(super) status_file: PathBuf,
    /// Whether to print the status as JSON at the end, and nothing else.
    pub(super) json: bool,
}

impl Watched<'_> {
    /// Runs the job, and keeps what it found.
    ///
    /// # Errors
    /// As [`Job::run`], and when something cannot be measured.
    pub(super) fn run(
        &self,
        replayer: &mut Replayer,
        project: &Project,
        corpus: &Store,
        progress: &Progress,
    ) -> Result<Fuzzed> {
        let (target, setup) = (self.job.target, &self.job.setup);
        let neutral = progress.step("build for coverage", || {
            build_worker(project.root(), &project.builds("coverage"))
        })?;
        let map = SourceMap::of_worker(&neutral, project.root(), &project.code_under_test()?)?;
        let meter = Meter {
            target,
            neutral: &neutral,
            map: &map,
            worker: self.worker,
            shipped: Some(zip_of(&project.shipped(), target)).filter(|zip| zip.is_file()),
            inputs: setup.inputs,
            finds: self.job.finds,
        };
        let campaign = Campaign {
            target: target.name.clone(),
            started: SystemTime::now(),
            time: setup.time,
            cores: setup.at_once,
            regions_total: map.regions().len(),
        };
        let (fuzzed, measured) = meter.beside(|feed| {
            let fuzzed = self.watch(replayer, feed, &campaign, progress)?;
            progress.say("the engines have ended; what is left is measured");
            Ok(fuzzed)
        })?;
        self.summarise(&fuzzed, &measured, &campaign, corpus)?;
        Ok(fuzzed)
    }

    /// Runs the job, and shows and writes how it stands.
    fn watch(
        &self,
        replayer: &mut Replayer,
        feed: &mut Feed<'_>,
        campaign: &Campaign,
        progress: &Progress,
    ) -> Result<Fuzzed> {
        let mut board = progress.board();
        let mut cannot_write = false;
        let fuzzed = self.job.run(replayer, &mut |view: &View<'_>| {
            for event in view.events {
                progress.say(event);
            }
            let measured = feed.feed(view);
            let engines = view.engines.iter();
            let status = campaign.status(State::Running, view.elapsed, engines, &measured);
            if let Err(error) = atomic::write_json(&self.status_file, &status)
                && !std::mem::replace(&mut cannot_write, true)
            {
                // What the engines find matters more than who can look at it.
                progress.say(&format!("{error:#}; the engines go on"));
            }
            board.show(&status.screen());
        });
        board.done();
        fuzzed
    }

    fn summarise(
        &self,
        fuzzed: &Fuzzed,
        measured: &Measured,
        campaign: &Campaign,
        corpus: &Store,
    ) -> Result<()> {
        let Some(session) = &fuzzed.session else {
            return Ok(());
        };
        let new = keep(session, corpus)?;
        let state = match session.interrupted {
            true => State::Interrupted,
            false => State::Ended,
        };
        let engines = session.engines.iter();
        let engines = engines.map(|one| -> &Figures { &one.figures });
        let status = campaign.status(state, session.elapsed, engines, measured);
        atomic::write_json(&self.status_file, &status)?;
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&status)?);
            return Ok(());
        }
        let [_, regions] = status.headlines();
        outln!(
            "{}: {} s, {:.1} core-seconds, {} inputs kept, {new} of them new to the corpus\n{regions}\n\
             measuring took {:.1} s of one core\n\n{}",
            status.target,
            session.elapsed.as_secs(),
            status.core_seconds,
            session.kept.len(),
            measured.took.as_secs_f64(),
            status.table(true)
        );
        Ok(())
    }
}
