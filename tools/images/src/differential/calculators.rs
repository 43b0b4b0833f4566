//! One question to a calculator, to the model and to qemu-img.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use fastrand::Rng;
use harness_core::subject::Measured;

use super::evidence::{CalculatorEvidence, TheirAnswer};
use super::known;
use super::qemu::{IMAGE, Inconclusive, Qemu};
use super::question::{Question, Source, Way, With};
use super::verdict::{Verdict, guarded};
use crate::formats;

/// Puts the question to all three and compares the answers. Files are made in `folder`. An error is a verdict that
/// comes early.
pub(super) fn judge(question: &Question, qemu: &Qemu, folder: &Path) -> Result<Verdict, Verdict> {
    let summary = question.summary();
    let model = model::calculators::measure(&summary, &question.options);
    let ours = guarded("the calculator panics", || {
        measure::measure(&summary, &question.options)
    })?;
    if ours != model {
        let words = format!("the calculator answers {ours:?}, the model {model:?}");
        return Err(Verdict::differs("calculator and model", words));
    }
    let theirs = ask(question, qemu, folder)?;
    let Err(signature) = compare(question, ours, &theirs) else {
        return Ok(ours.map_or(Verdict::Refused, |_| Verdict::Agrees));
    };
    let evidence = CalculatorEvidence {
        question,
        ours,
        theirs: &theirs,
        not_created: &|| not_created(question, qemu, folder),
    };
    let known = known::of_calculator(&evidence);
    Ok(known.map_or_else(
        || {
            Verdict::differs(
                signature,
                format!("we answer {ours:?}, qemu-img {theirs:?}"),
            )
        },
        Verdict::Known,
    ))
}

/// The kind of difference, if there is one.
fn compare(question: &Question, ours: Measured, theirs: &TheirAnswer) -> Result<(), &'static str> {
    let ours = match (ours, theirs) {
        (Err(_), TheirAnswer::Refused(_)) => return Ok(()),
        (Err(_), _) => return Err("we refuse, qemu-img does not"),
        (Ok(ours), _) => ours,
    };
    let format = formats::of_options(&question.options);
    match *theirs {
        TheirAnswer::Refused(_) => Err("qemu-img refuses, we do not"),
        TheirAnswer::Sizes(required, _) if i64::try_from(ours.required) != Ok(required) => {
            Err("required is another")
        }
        TheirAnswer::Sizes(_, full) if i64::try_from(ours.fully_allocated) != Ok(full) => {
            Err("fully_allocated is another")
        }
        TheirAnswer::Length(length)
            if format.driver.is_bound(question) && length > ours.required =>
        {
            Err("the file is longer than required")
        }
        TheirAnswer::Length(length)
            if !format.driver.is_bound(question) && length != ours.required =>
        {
            Err("the file's length is not required")
        }
        // All of the disk is written; a VHD may grow by a block in which there is nothing.
        TheirAnswer::Length(_)
            if question.way == Way::ConvertAll
                && !format.driver.grows(&question.options)
                && ours.required != ours.fully_allocated =>
        {
            Err("a full disk is not fully allocated")
        }
        TheirAnswer::Sizes(..) | TheirAnswer::Length(_) => Ok(()),
    }
}

/// Asks qemu-img. Where it writes [`IMAGE`], that file must not be there before.
fn ask(question: &Question, qemu: &Qemu, folder: &Path) -> Result<TheirAnswer, Inconclusive> {
    let size = question.size;
    let source = match question.way {
        Way::MeasureSize | Way::Create => "",
        Way::Measure(source) | Way::Convert(source) => make_source(question, source, qemu, folder)?,
        Way::ConvertAll => make_source(question, Source::Raw, qemu, folder)?,
    };
    let format = formats::of_options(&question.options);
    let target = match &*format.driver.arguments(&question.options) {
        "" => format.qemu_name.to_owned(),
        options => format!("{} -o {options}", format.qemu_name),
    };
    let is_measured = matches!(question.way, Way::MeasureSize | Way::Measure(_));
    let ended = qemu.run(
        folder,
        &match question.way {
            Way::MeasureSize => format!("qemu-img measure --output json -O {target} --size {size}"),
            Way::Measure(_) => format!("qemu-img measure --output json -O {target} {source}"),
            Way::Create => format!("qemu-img create -q -f {target} {IMAGE} {size}"),
            Way::Convert(_) => {
                format!("qemu-img convert -q -t unsafe -O {target} {source} {IMAGE}")
            }
            Way::ConvertAll => {
                format!("qemu-img convert -q -S 0 -t unsafe -O {target} {source} {IMAGE}")
            }
        },
    )?;
    if !ended.is_ok() {
        // Not QEMU but the machine refuses.
        let machine = ["File too large", "No space left", "Cannot allocate memory"];
        if machine.iter().any(|text| ended.stderr.contains(text)) {
            return Err(Inconclusive(ended.complaint()));
        }
        return Ok(TheirAnswer::Refused(ended.complaint()));
    }
    if is_measured {
        let json = ended.json()?;
        let sizes = json["required"]
            .as_i64()
            .zip(json["fully-allocated"].as_i64());
        let (required, full) =
            sizes.ok_or_else(|| Inconclusive("measure prints no two numbers".to_owned()))?;
        return Ok(TheirAnswer::Sizes(required, full));
    }
    let file = folder.join(format.driver.written_file(&question.options));
    let metadata = fs::metadata(&file);
    let metadata =
        metadata.map_err(|error| Inconclusive(format!("{}: {error}", file.display())))?;
    Ok(TheirAnswer::Length(metadata.len()))
}

/// Whether `qemu-img create` refuses the image, of which `measure` may not have looked at everything.
fn not_created(question: &Question, qemu: &Qemu, folder: &Path) -> bool {
    let format = formats::of_options(&question.options);
    let options = format.driver.quick_to_create(question.options);
    let question = Question::empty(options, question.size, Way::Create);
    matches!(ask(&question, qemu, folder), Ok(TheirAnswer::Refused(_)))
}

/// Makes the source in `folder`; returns the arguments with which qemu-img opens it.
fn make_source(
    question: &Question,
    source: Source,
    qemu: &Qemu,
    folder: &Path,
) -> Result<&'static str, Inconclusive> {
    let Source::Qcow2(cluster) = source else {
        let written = write_raw(question, &folder.join("source.raw"));
        written.map_err(|error| Inconclusive(format!("source.raw: {error}")))?;
        return Ok("-f raw source.raw");
    };
    let options = format!("-o cluster_size={cluster} source.qcow2 {}", question.size);
    let mut lines = vec![format!("qemu-img create -q -f qcow2 {options}")];
    if !question.fills.is_empty() {
        let mut line = "qemu-io -t unsafe -f qcow2".to_owned();
        for fill in &question.fills {
            let what = match fill.with {
                With::Data => "-P 0xa7",
                With::Compressed => "-c -P 0xa7",
                With::Zeroes => "-z",
            };
            line += &format!(
                " -c 'write {what} {} {}'",
                fill.start,
                fill.end - fill.start
            );
        }
        lines.push(line + " source.qcow2");
    }
    for line in lines {
        let ended = qemu.run(folder, &line)?;
        if !ended.is_ok() || ended.stdout.contains("failed") {
            let (stdout, complaint) = (ended.stdout.trim_end(), ended.complaint());
            let why = format!("the source cannot be made: {stdout} {complaint}");
            return Err(Inconclusive(why));
        }
    }
    Ok("-f qcow2 source.qcow2")
}

/// Writes the disk as a sparse file. The data is what no deflate makes smaller, and no byte is zero.
fn write_raw(question: &Question, path: &Path) -> std::io::Result<()> {
    let file = File::create(path)?;
    file.set_len(question.size)?;
    let mut random = Rng::with_seed(question.size);
    for fill in &question.fills {
        let data: Vec<u8> = (fill.start..fill.end).map(|_| random.u8(1..)).collect();
        file.write_all_at(&data, fill.start)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calc_input;
    use crate::differential::draw;

    fn drawn() -> impl Iterator<Item = Question> {
        let formats = formats::ALL.into_iter();
        formats.flat_map(|format| {
            (0..2000).map(move |nth| format.driver.draw(&mut draw::of_case(1, 0, nth)))
        })
    }

    #[test]
    fn a_simpler_question_differs_and_there_is_a_simplest() {
        let simpler =
            |question: &Question| question.simpler(calc_input::simpler(&question.options));
        for mut question in drawn().step_by(40) {
            for _ in 0..200 {
                let simpler = simpler(&question);
                assert!(simpler.iter().all(|other| *other != question));
                match simpler.into_iter().next() {
                    Some(next) => question = next,
                    None => break,
                }
            }
            assert!(simpler(&question).is_empty(), "{question:?}");
        }
    }
}
