//! Whether the files of a report follow from the raw data beside it: the records in `trials/`, and `faults/`.

use std::path::Path;

use anyhow::{Context, Error, Result, ensure};
use fs_err as fs;
use report::{Reach, TargetResult, analysis};

use super::contestant::Contestant;
use super::folder::Folder;
use super::hunts;
use super::measured::Measured;
use super::order::TrialId;
use super::plan::Plan;
use super::reporting::{files, finds, result};
use super::trial::{self, Trial};
use crate::atomic::read_json;
use crate::corpus::entries_in;

/// Where a comparison's files are not what follows from its raw data, a line each. Nothing is replayed. Fails when raw
/// data are missing, or are of other trials than the report's.
pub(crate) fn differences(folder: &Folder) -> Result<Vec<String>> {
    let mut again = report::read(folder.root())?;
    let plan = Plan::read(&folder.plan())?.context("there is no plan.json")?;
    again.started = plan.started;
    (again.time_seconds, again.trials) = (plan.time_seconds, plan.trials);
    let mut records = 0;
    for target in &mut again.targets {
        records += from_records(target, folder)?;
    }
    let there = count(&folder.root().join("trials"), 3)?;
    ensure!(
        there == records,
        "trials/ has {there} trials, and the report {records} of them"
    );
    hunts::add_to(&mut again, &hunts::read(folder)?);
    analysis::analyse(&mut again);
    let mut all = Vec::new();
    for (name, follows) in files(&again)? {
        let published = fs::read_to_string(folder.root().join(name))?;
        if published != follows {
            let [published, follows] = [&published, &follows].map(|text| text.lines());
            let at = published.clone().zip(follows.clone());
            let at = at.take_while(|(one, other)| one == other).count();
            let lines = [published, follows].map(|mut lines| lines.nth(at).unwrap_or_default());
            let [published, follows] = lines.map(|line| line.trim().chars().take(80));
            let [published, follows] = [published, follows].map(String::from_iter);
            let line = at + 1;
            all.push(format!(
                "{name}, line {line}: published is {published:?}, and {follows:?} follows"
            ));
        }
    }
    Ok(all)
}

/// How many trials have a record in a folder of folders.
fn count(folder: &Path, depth: usize) -> Result<usize> {
    if depth == 0 {
        return Ok(usize::from(trial::file(folder).exists()));
    }
    let folders = entries_in(folder, |kind| kind.is_dir())?;
    folders.iter().map(|one| count(one, depth - 1)).sum()
}

/// Takes what the trials' own records have: figures, growth, finds, and the regions reached. Returns how many records
/// there are.
fn from_records(target: &mut TargetResult, folder: &Folder) -> Result<usize> {
    let mut count = 0;
    target.survivals.clear();
    for region in &mut target.regions {
        region.by.fill(0);
    }
    for (place, engine) in target.engines.iter_mut().enumerate() {
        let contestant = Contestant::try_from(engine.engine.clone()).map_err(Error::msg)?;
        let mut records = Vec::new();
        for of_report in &mut engine.trials {
            let id = TrialId {
                target: target.target.clone(),
                start: target.start,
                engine: contestant,
                number: of_report.trial,
            };
            let Some(record) = Trial::read(folder, &id)? else {
                ensure!(!of_report.counts(), "{id} has no trial.json");
                continue;
            };
            let measured = read_json::<Measured>(&folder.trial(&id).join("measured.json"))?;
            let measured = measured.with_context(|| format!("{id} has no measured.json"))?;
            let last = measured.growth.last().context("no growth")?;
            let reach = Reach {
                regions: measured.regions.len(),
                lines: last.lines,
                functions: last.functions,
            };
            *of_report = result(&record, &measured, reach);
            for &number in measured.regions.iter().filter(|_| of_report.counts()) {
                let region = target.regions.get_mut(number);
                let by = region.and_then(|region| region.by.get_mut(place));
                *by.with_context(|| format!("{id}: there is no region {number}"))? += 1;
            }
            records.push(record);
        }
        count += records.len();
        let published = std::mem::replace(&mut engine.finds, finds(folder, &records));
        // The shortest input of each: inputs need not be there.
        for group in &mut engine.finds {
            let published = published.iter().find(|one| one.check == group.check);
            group.example = published.map_or_else(String::new, |one| one.example.clone());
        }
        if engine.counting().next().is_some() {
            let reached = target.regions.iter().filter(|region| region.by[place] > 0);
            engine.reach.regions = reached.count();
        }
    }
    Ok(count)
}
