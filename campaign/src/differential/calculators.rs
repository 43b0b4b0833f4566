//! One question to a calculator, to the model and to qemu-img.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use built_in::BuiltIn;
use harness_core::subject::Calculators as _;
use harness_core::subject::Measured;
use measure::{MeasureOutput, Preallocation, Qcow2Opts, VhdSubformat, VmdkSubformat};
use types::Options;

use super::known::{self, CalculatorEvidence};
use super::qemu::{Ended, Inconclusive, Qemu};
use super::question::{Question, Source, Way, With};
use super::random::Random;
use super::verdict::{Verdict, guarded};

/// What qemu-img answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Theirs {
    /// What `measure` prints: required and fully allocated; negative from 2^63 on.
    Sizes(i64, i64),
    /// The length of the file that it wrote, in bytes.
    Length(u64),
    /// It refuses, and says so.
    Refused(String),
}

/// Puts the question to all three and compares the answers. Files are made in `folder`.
#[must_use]
pub fn judge(question: &Question, qemu: &Qemu, folder: &Path) -> Verdict {
    let summary = question.summary();
    let model = model::calculators::measure(&summary, &question.options);
    let ours = match guarded(|| BuiltIn.measure(&summary, &question.options)) {
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
    match compare(question, ours, &theirs) {
        Ok(()) if ours.is_ok() => Verdict::Agrees,
        Ok(()) => Verdict::Refused,
        Err(signature) => {
            let evidence = CalculatorEvidence {
                question,
                ours,
                theirs: &theirs,
                not_created: &|| not_created(question, qemu, folder),
            };
            known::of_calculator(&evidence, qemu.major()).map_or_else(
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
fn compare(question: &Question, ours: Measured, theirs: &Theirs) -> Result<(), &'static str> {
    let MeasureOutput {
        required,
        fully_allocated,
    } = match (ours, theirs) {
        (Err(_), Theirs::Refused(_)) => return Ok(()),
        (Err(_), _) => return Err("we refuse, qemu-img does not"),
        (Ok(_), Theirs::Refused(_)) => return Err("qemu-img refuses, we do not"),
        (Ok(output), _) => output,
    };
    match *theirs {
        Theirs::Sizes(their_required, their_full) => {
            if i64::try_from(required) != Ok(their_required) {
                return Err("required is another");
            }
            if i64::try_from(fully_allocated) != Ok(their_full) {
                return Err("fully_allocated is another");
            }
        }
        Theirs::Length(length) => {
            if is_bound(question) {
                if length > required {
                    return Err("the file is longer than required");
                }
            } else if length != required {
                return Err("the file's length is not required");
            }
            // All of the disk is written; a VHD may grow by a block in which there is nothing.
            let grows = matches!(question.options, Options::Vhd(opts) if !opts.force_size);
            if question.way == Way::ConvertAll && !grows && required != fully_allocated {
                return Err("a full disk is not fully allocated");
            }
        }
        Theirs::Refused(_) => {}
    }
    Ok(())
}

/// Whether the answer is a bound: of a stream the exact length only for data that does not deflate.
fn is_bound(question: &Question) -> bool {
    let stream = matches!(
        question.options,
        Options::Vmdk(opts) if opts.subformat == VmdkSubformat::StreamOptimized
    );
    let whole = |grain: u64| {
        question
            .fills
            .iter()
            .all(|fill| fill.start % grain == 0 && fill.end % grain == 0)
    };
    let incompressible = matches!(question.way, Way::Convert(Source::Raw) | Way::Create);
    stream && !(incompressible && whole(model::calculators::unit(&question.options, question.size)))
}

/// Asks qemu-img.
fn ask(question: &Question, qemu: &Qemu, folder: &Path) -> Result<Theirs, Inconclusive> {
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

const IMAGE: &str = "image";

fn measured(
    qemu: &Qemu,
    folder: &Path,
    arguments: &[&str],
    options: &str,
) -> Result<Theirs, Inconclusive> {
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
        (Some(required), Some(full)) => Ok(Theirs::Sizes(required, full)),
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
) -> Result<Theirs, Inconclusive> {
    let mut all = command.to_vec();
    if !options.is_empty() {
        all.extend(["-o", options]);
    }
    all.extend(rest);
    let ended = qemu.img(folder, &all)?;
    if !ended.is_ok() {
        return refused(&ended);
    }
    let flat = matches!(
        question.options,
        Options::Vmdk(opts) if opts.subformat == VmdkSubformat::MonolithicFlat
    );
    let file = folder.join(if flat { "image-flat" } else { IMAGE });
    fs::metadata(&file)
        .map(|metadata| Theirs::Length(metadata.len()))
        .map_err(|error| Inconclusive(format!("{}: {error}", file.display())))
}

fn refused(ended: &Ended) -> Result<Theirs, Inconclusive> {
    // Not QEMU but the machine says no.
    let machine = ["File too large", "No space left", "Cannot allocate memory"];
    if machine.iter().any(|text| ended.stderr.contains(text)) {
        return Err(Inconclusive(ended.complaint()));
    }
    Ok(Theirs::Refused(ended.complaint()))
}

/// Whether `qemu-img create` refuses the image, of which `measure` may not have looked at everything.
fn not_created(question: &Question, qemu: &Qemu, folder: &Path) -> bool {
    let options = match question.options {
        // Which data clusters are there from the start is no matter of what is legal, but of time.
        Options::Qcow2(opts) => Options::Qcow2(Qcow2Opts {
            preallocation: Preallocation::Off,
            ..opts
        }),
        other => other,
    };
    let (format, options) = arguments(&options);
    let size = question.size.to_string();
    let create = ["create", "-q", "-f", format];
    let answer = written(question, qemu, folder, &create, &options, &[IMAGE, &size]);
    matches!(answer, Ok(Theirs::Refused(_)))
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
    let mut random = Random::of_case(question.size, 0, 0);
    for fill in &question.fills {
        let mut data = Vec::new();
        while (data.len() as u64) < fill.end - fill.start {
            data.extend(random.next().to_le_bytes().map(|byte| byte.max(1)));
        }
        data.truncate((fill.end - fill.start) as usize);
        file.write_all_at(&data, fill.start)?;
    }
    Ok(())
}

/// qemu-img's name of the format, and `-o`'s argument.
fn arguments(options: &Options) -> (&'static str, String) {
    let on = |flag| if flag { "on" } else { "off" };
    match options {
        Options::Raw => ("raw", String::new()),
        Options::Qcow2(opts) => (
            "qcow2",
            format!(
                "cluster_size={},refcount_bits={},compat={},extended_l2={},lazy_refcounts={},preallocation={}",
                opts.cluster_size,
                opts.refcount_bits,
                if opts.compat_v3 { "1.1" } else { "0.10" },
                on(opts.extended_l2),
                on(opts.lazy_refcounts),
                match opts.preallocation {
                    Preallocation::Off => "off",
                    Preallocation::Metadata => "metadata",
                    Preallocation::Falloc => "falloc",
                    Preallocation::Full => "full",
                }
            ),
        ),
        Options::Vmdk(opts) => (
            "vmdk",
            match opts.subformat {
                VmdkSubformat::MonolithicSparse => "subformat=monolithicSparse".to_owned(),
                VmdkSubformat::StreamOptimized => "subformat=streamOptimized".to_owned(),
                VmdkSubformat::MonolithicFlat => "subformat=monolithicFlat".to_owned(),
            },
        ),
        Options::Vhd(opts) => (
            "vpc",
            format!(
                "subformat={},force_size={}",
                match opts.subformat {
                    VhdSubformat::Dynamic => "dynamic",
                    VhdSubformat::Fixed => "fixed",
                },
                on(opts.force_size)
            ),
        ),
        Options::Vhdx(opts) => (
            "vhdx",
            format!("subformat=dynamic,block_size={}", opts.block_size),
        ),
    }
}
