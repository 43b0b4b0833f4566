//! What a library reads of an image's disk.

use std::ops::Range;

use model::readings::Readings;
use recipes::content::Content;
use sparse::{ImageFile, fill};
use worker::memory::Meter;
use worker::{Answer, Checks, Outcome};

use crate::answers;
use crate::check;
use crate::judgement::Judgement;
use crate::library::Reader;
use crate::subject::{Refusal, Scanner};

use super::Reported;
use super::on_device::OnDevice;

/// Asks for some of the disk and asserts that it is right. `None` where the subject does not read, that is not judged,
/// or it is not known what is right.
#[inline]
pub(super) fn judge(
    scanner: &(impl Scanner + ?Sized),
    image: &OnDevice<'_>,
    judgement: Judgement,
    case: &Reported<'_>,
) -> Option<Outcome> {
    let reader = scanner.reader()?;
    let format = image.recipe.format;
    let is_judged = judgement.has(Judgement::CONTENT) && scanner.formats().contains(&format);
    if !is_judged || image.truth.is_none() {
        return None;
    }
    let content = image.recipe.content()?;
    let readings = Readings::of(format, &image.bytes, None);
    if readings.answers.len() != 1 {
        return None;
    }
    // Where a reader may refuse the image, it may have found another size in it.
    let size = content.virtual_size;
    let is_asked = |range: &Range<u64>| range.end <= size || !readings.may_be_refused;
    let known = ranges(&content)
        .into_iter()
        .filter(is_asked)
        .filter_map(|range| Some((range.clone(), content.of(&range, &image.bytes)?)));
    let (swelling, known): (Vec<_>, Vec<_>) = known.partition(|(range, _)| content.swells(range));
    let ask = |known, may_be_refused| {
        ask(
            reader,
            image,
            judgement,
            case,
            &content,
            known,
            may_be_refused,
        )
    };
    // What inflates to far more than its unit may be cut, and may be refused.
    if let Some(first) = swelling.into_iter().next() {
        ask(vec![first], true);
    }
    ask(known, readings.may_be_refused || content.is_encrypted)
}

/// Asks for ranges of which it is known what is due, or that the reader may refuse the image.
fn ask(
    reader: Reader,
    image: &OnDevice<'_>,
    judgement: Judgement,
    case: &Reported<'_>,
    content: &Content,
    known: Vec<(Range<u64>, Vec<u8>)>,
    may_be_refused: bool,
) -> Option<Outcome> {
    if known.is_empty() {
        return None;
    }
    let (ranges, due): (Vec<_>, Vec<_>) = known.into_iter().unzip();
    let device = image.device(&image.manner());
    let file = ImageFile::filled(image.bytes.clone(), content.fill.clone(), device.limits());
    let meter = Meter::start();
    let answer = reader(file.clone(), image.recipe.format, &ranges);
    device.note_served(file.served(), meter.peak());
    let is_encrypted = content.is_encrypted;
    let find = if is_encrypted {
        first_leaked
    } else {
        first_wrong
    };
    let wrong = match &answer {
        Ok(given) => (0..due.len()).find_map(|nth| {
            let given = given.get(nth).map_or(&[][..], Vec::as_slice);
            Some((nth, find(given, &due[nth])?))
        }),
        Err(_) => (!may_be_refused).then_some((0, 0)),
    };
    let is_unjudged = file.served().stopped || !judgement.has(Judgement::REFUSALS);
    let outcome = match &answer {
        Err(Refusal::NotSupported(feature)) => Some(Outcome::NotJudged(feature.clone())),
        Err(_) if may_be_refused => None,
        Err(_) if is_unjudged => Some(Judgement::CONTENT.outcome(false, true)),
        _ => Some(Outcome::Checked),
    };
    let is_judged = outcome == Some(Outcome::Checked) && !is_encrypted;
    let is_metered = judgement.has(Judgement::MEMORY);
    let mut checks = Checks::default();
    checks.evaluate_if(is_metered, &check::MEMORY, device.is_memory_bounded());
    checks.evaluate_if(is_encrypted, &check::CIPHERTEXT, wrong.is_none());
    checks.evaluate_if(is_judged, &check::CONTENT, wrong.is_none());
    checks.conclude(case, |violation| {
        if violation.is_of(&check::MEMORY) {
            return device.with_memory(violation);
        }
        let (nth, first) = wrong.unwrap_or_default();
        let (range, due) = (&ranges[nth], &due[nth]);
        let first = range.start + first as u64;
        // Data is words of 8 bytes.
        let from = ((first & !7).max(range.start) - range.start) as usize;
        let shown = |bytes: &[u8]| shown(bytes, from, due, file.size());
        let given = match &answer {
            Ok(given) => shown(given.get(nth).map_or(&[], Vec::as_slice)),
            Err(refusal) => answers::of_refusal(refusal),
        };
        let due = match is_encrypted {
            true => answers::of_refusal(&Refusal::words("the disk is encrypted")),
            false => shown(due),
        };
        violation
            .answered(given, due)
            .with("read_from", range.start)
            .with("read_to", range.end)
            .with("first_wrong_byte", first)
    });
    outcome
}

/// Where what was `given` is not what is `due`.
fn first_wrong(given: &[u8], due: &[u8]) -> Option<usize> {
    let same = given
        .iter()
        .zip(due)
        .take_while(|(given, due)| given == due);
    (given != due).then(|| same.count())
}

/// Where eight bytes that were `given` are those that the `file` holds there. None of them is zero.
fn first_leaked(given: &[u8], file: &[u8]) -> Option<usize> {
    let mut words = given.windows(8).zip(file.windows(8));
    words.position(|(given, file)| given == file && !file.contains(&0))
}

/// Which ranges of the disk are read: around some borders of its parts, in the middle of the longest part, at the
/// disk's end and behind it, and a long range in odd parts.
fn ranges(content: &Content) -> Vec<Range<u64>> {
    let borders = content.borders();
    let last = borders.len() - 1;
    let around = |at: u64| at.saturating_sub(32)..at.saturating_add(29);
    let mut ranges: Vec<_> = (0..=5).map(|nth| around(borders[nth * last / 5])).collect();
    ranges.dedup();
    let longest = borders.windows(2).max_by_key(|part| part[1] - part[0]);
    ranges.extend(longest.map(|part| around(part[0].midpoint(part[1]))));
    ranges.push(around(content.virtual_size.saturating_add(40)));
    let mut at = borders[borders.len() / 2].saturating_sub(13);
    for length in [1, 511, 4097, 65_565] {
        ranges.push(at..at.saturating_add(length));
        at = at.saturating_add(length);
    }
    ranges
}

/// What was read, or was to be: its length and the word from byte `from` on, which is called by what is `due`.
fn shown(bytes: &[u8], from: usize, due: &[u8], file_size: u64) -> Answer {
    let word = |bytes: &[u8]| -> Vec<u8> { bytes.iter().skip(from).take(8).copied().collect() };
    let is_zero = word(due).iter().all(|&byte| byte == 0);
    let word = word(bytes);
    let mut words = format!("{word:02x?}");
    let place = word[..].try_into().map_or(u64::MAX, fill::place_of);
    if place < file_size {
        words += &format!(" of the file's byte {place}");
    }
    Answer::values([
        ("bytes_read", (bytes.len() as u64).into()),
        (if is_zero { "zeros" } else { "data" }, words.into()),
    ])
}
