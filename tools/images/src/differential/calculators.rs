//! One question to a calculator, to the model and to qemu-img.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use fastrand::Rng;
use harness_core::subject::Measured;
use measure::MeasureOutput;
use types::Options;

use super::evidence::{CalculatorEvidence, TheirAnswer};
use super::known;
use super::qemu::{Ended, IMAGE, Inconclusive, Qemu};
use super::question::{Question, Source, Way, With};
use super::verdict::{Verdict, guarded};
use crate::format::FormatRef;
use crate::formats;

/// The question as an input of `fuzz_measure_calc`.
#[must_use]
pub fn input(question: &Question) -> Vec<u8> {
    let fields = formats::of_options(&question.options).fields(&question.options);
    fields.encode(&question.summary())
}

/// The same question of less, in every way that makes it one step simpler.
#[must_use]
pub fn simpler(question: &Question) -> Vec<Question> {
    question.simpler(formats::of_options(&question.options).simpler(&question.options))
}

/// Puts the question to all three and compares the answers. Files are made in `folder`.
#[must_use]
pub fn judge(question: &Question, qemu: &Qemu, folder: &Path) -> Verdict {
    let format = formats::of_options(&question.options);
    let summary = question.summary();
    let model = model::calculators::measure(&summary, &question.options);
    let ours = match guarded(|| measure::measure(&summary, &question.options)) {
        Ok(ours) => ours,
        Err(panic) => {
            return Verdict::differs("the calculator panics", format!("it says {panic:?}"));
        }
    };
    if ours != model {
        return Verdict::differs(
            "calculator and model",
            format!("the calculator answers {ours:?}, the model {model:?}"),
        );
    }
    let theirs = match ask(question, qemu, folder) {
        Ok(theirs) => theirs,
        Err(Inconclusive(why)) => return Verdict::Inconclusive(why),
    };
    match compare(format, question, ours, &theirs) {
        Ok(()) if ours.is_ok() => Verdict::Agrees,
        Ok(()) => Verdict::Refused,
        Err(signature) => {
            let evidence = CalculatorEvidence {
                question,
                ours,
                theirs: &theirs,
                not_created: &|| not_created(question, qemu, folder),
            };
            known::of_calculator(format, &evidence, qemu.major()).map_or_else(
                || {
                    Verdict::differs(
                        signature,
                        format!("we answer {ours:?}, qemu-img {theirs:?}"),
                    )
                },
                Verdict::Known,
            )
        }
    }
}

/// Whether both say the same; if not, what kind of difference it is.
fn compare(
    format: FormatRef,
    question: &Question,
    ours: Measured,
    theirs: &TheirAnswer,
) -> Result<(), &'static str> {
    let MeasureOutput {
        required,
        fully_allocated,
    } = match (ours, theirs) {
        (Err(_), TheirAnswer::Refused(_)) => return Ok(()),
        (Err(_), _) => return Err("we refuse, qemu-img does not"),
        (Ok(_), TheirAnswer::Refused(_)) => return Err("qemu-img refuses, we do not"),
        (Ok(output), _) => output,
    };
    match *theirs {
        TheirAnswer::Sizes(their_required, their_full) => {
            if i64::try_from(required) != Ok(their_required) {
                return Err("required is another");
            }
            if i64::try_from(fully_allocated) != Ok(their_full) {
                return Err("fully_allocated is another");
            }
        }
        TheirAnswer::Length(length) => {
            if format.is_bound(question) {
                if length > required {
                    return Err("the file is longer than required");
                }
            } else if length != required {
                return Err("the file's length is not required");
            }
            // All of the disk is written; a VHD may grow by a block in which there is nothing.
            let grows = format.grows(&question.options);
            if question.way == Way::ConvertAll && !grows && required != fully_allocated {
                return Err("a full disk is not fully allocated");
            }
        }
        TheirAnswer::Refused(_) => {}
    }
    Ok(())
}

/// Asks qemu-img.
fn ask(question: &Question, qemu: &Qemu, folder: &Path) -> Result<TheirAnswer, Inconclusive> {
    let (format, options) = arguments(&question.options);
    match question.way {
        Way::MeasureSize => {
            let size = question.size.to_string();
            measured(qemu, folder, &["--size", &size, "-O", format], &options)
        }
        Way::Measure(source) => {
            let opened = make_source(question, source, qemu, folder)?;
            let opened: Vec<&str> = opened.iter().map(String::as_str).collect();
            let arguments = [&["-O", format][..], &opened].concat();
            measured(qemu, folder, &arguments, &options)
        }
        Way::Create => {
            let size = question.size.to_string();
            let create = ["create", "-q", "-f", format];
            written(question, qemu, folder, &create, &options, &[IMAGE, &size])
        }
        Way::Convert(source) => {
            let opened = make_source(question, source, qemu, folder)?;
            let opened: Vec<&str> = opened.iter().map(String::as_str).collect();
            let convert = ["convert", "-q", "-t", "unsafe", "-O", format];
            let rest = [&opened[..], &[IMAGE]].concat();
            written(question, qemu, folder, &convert, &options, &rest)
        }
        Way::ConvertAll => {
            let opened = make_source(question, Source::Raw, qemu, folder)?;
            let opened: Vec<&str> = opened.iter().map(String::as_str).collect();
            let convert = ["convert", "-q", "-S", "0", "-t", "unsafe", "-O", format];
            let rest = [&opened[..], &[IMAGE]].concat();
            written(question, qemu, folder, &convert, &options, &rest)
        }
    }
}

fn measured(
    qemu: &Qemu,
    folder: &Path,
    arguments: &[&str],
    options: &str,
) -> Result<TheirAnswer, Inconclusive> {
    let mut all = vec!["measure", "--output", "json"];
    if !options.is_empty() {
        all.extend(["-o", options]);
    }
    all.extend(arguments);
    let ended = qemu.img(folder, &all)?;
    if !ended.is_ok() {
        return refused(&ended);
    }
    let json = ended.json()?;
    match (json["required"].as_i64(), json["fully-allocated"].as_i64()) {
        (Some(required), Some(full)) => Ok(TheirAnswer::Sizes(required, full)),
        _ => Err(Inconclusive("measure prints no two numbers".to_owned())),
    }
}

/// Runs what writes [`IMAGE`], which must not be there before, and looks at its length.
fn written(
    question: &Question,
    qemu: &Qemu,
    folder: &Path,
    command: &[&str],
    options: &str,
    rest: &[&str],
) -> Result<TheirAnswer, Inconclusive> {
    let mut all = command.to_vec();
    if !options.is_empty() {
        all.extend(["-o", options]);
    }
    all.extend(rest);
    let ended = qemu.img(folder, &all)?;
    if !ended.is_ok() {
        return refused(&ended);
    }
    let format = formats::of_options(&question.options);
    let file = folder.join(format.written_file(&question.options));
    fs::metadata(&file)
        .map(|metadata| TheirAnswer::Length(metadata.len()))
        .map_err(|error| Inconclusive(format!("{}: {error}", file.display())))
}

fn refused(ended: &Ended) -> Result<TheirAnswer, Inconclusive> {
    // Not QEMU but the machine says no.
    let machine = ["File too large", "No space left", "Cannot allocate memory"];
    if machine.iter().any(|text| ended.stderr.contains(text)) {
        return Err(Inconclusive(ended.complaint()));
    }
    Ok(TheirAnswer::Refused(ended.complaint()))
}

/// Whether `qemu-img create` refuses the image, of which `measure` may not have looked at everything.
fn not_created(question: &Question, qemu: &Qemu, folder: &Path) -> bool {
    let format = formats::of_options(&question.options);
    let options = format.quick_to_create(question.options);
    let (format, options) = arguments(&options);
    let size = question.size.to_string();
    let create = ["create", "-q", "-f", format];
    let answer = written(question, qemu, folder, &create, &options, &[IMAGE, &size]);
    matches!(answer, Ok(TheirAnswer::Refused(_)))
}

/// Makes the source in `folder`; answers how qemu-img is told to open it.
fn make_source(
    question: &Question,
    source: Source,
    qemu: &Qemu,
    folder: &Path,
) -> Result<Vec<String>, Inconclusive> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    match source {
        Source::Raw => {
            write_raw(question, &folder.join("source.raw"))
                .map_err(|error| Inconclusive(format!("source.raw: {error}")))?;
            Ok(words(&["-f", "raw", "source.raw"]))
        }
        Source::Qcow2(cluster) => {
            let must = |tool: &str, arguments: &[&str]| {
                let ended = qemu.run(folder, tool, arguments)?;
                if ended.is_ok() && !ended.stdout.contains("failed") {
                    Ok(())
                } else {
                    Err(Inconclusive(format!(
                        "the source cannot be made: {} {}",
                        ended.stdout.trim_end(),
                        ended.complaint()
                    )))
                }
            };
            let size = question.size.to_string();
            let options = format!("cluster_size={cluster}");
            must(
                "qemu-img",
                &[
                    "create",
                    "-q",
                    "-f",
                    "qcow2",
                    "-o",
                    &options,
                    "source.qcow2",
                    &size,
                ],
            )?;
            let commands: Vec<String> = question
                .fills
                .iter()
                .map(|fill| {
                    let what = match fill.with {
                        With::Data => "-P 0xa7",
                        With::Compressed => "-c -P 0xa7",
                        With::Zeroes => "-z",
                    };
                    format!("write {what} {} {}", fill.start, fill.end - fill.start)
                })
                .collect();
            if !commands.is_empty() {
                let mut arguments = vec!["-t", "unsafe", "-f", "qcow2"];
                for command in &commands {
                    arguments.extend(["-c", command]);
                }
                arguments.push("source.qcow2");
                must("qemu-io", &arguments)?;
            }
            Ok(words(&["-f", "qcow2", "source.qcow2"]))
        }
    }
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

/// qemu-img's name of the format, and `-o`'s argument.
fn arguments(options: &Options) -> (&'static str, String) {
    let format = formats::of_options(options);
    (format.qemu_name(), format.arguments(options))
}

#[cfg(test)]
mod tests {
    use harness_core::calc::CalcCase;

    use super::*;
    use crate::differential::draw;

    fn drawn(format: FormatRef) -> impl Iterator<Item = Question> {
        (0..2000).map(move |nth| format.draw(&mut draw::of_case(1, 0, nth)))
    }

    #[test]
    fn an_input_says_what_the_question_says() {
        for format in formats::ALL {
            for question in drawn(format) {
                let case = CalcCase::decode(&input(&question)).unwrap();
                assert_eq!(case.options, question.options);
                assert_eq!(case.summary, question.summary());
            }
        }
    }

    #[test]
    fn data_ascends_inside_the_disk() {
        let mut with_data = 0;
        for format in formats::ALL {
            for question in drawn(format) {
                let mut free = 0;
                for fill in &question.fills {
                    assert!(free <= fill.start && fill.start < fill.end, "{question:?}");
                    free = fill.end;
                }
                assert!(free <= question.size, "{question:?}");
                with_data += u32::from(!question.data().is_empty());
            }
        }
        assert!(with_data > 4000, "{with_data}");
    }

    #[test]
    fn what_is_simpler_differs_and_ends() {
        for format in formats::ALL {
            for question in drawn(format).take(50) {
                let mut question = question;
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
}
