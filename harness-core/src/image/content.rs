//! What a library reads of an image's disk.

use std::ops::Range;

use model::readings::Readings;
use recipes::content::Content;
use sparse::{ImageFile, fill};
use worker::{Answer, Checks, Outcome};

use crate::answers;
use crate::check;
use crate::judgement::Judgement;
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
    let (ranges, due): (Vec<_>, Vec<_>) = ranges(&content)
        .into_iter()
        .filter(is_asked)
        .filter_map(|range| Some((range.clone(), content.of(&range, &image.bytes)?)))
        .unzip();
    let limits = image.device(&image.manner()).limits();
    let file = ImageFile::filled(image.bytes.clone(), content.fill, limits);
    let answer = reader(file.clone(), format, &ranges);
    match &answer {
        Err(Refusal::NotSupported(feature)) => return Some(Outcome::NotJudged(feature.clone())),
        Err(_) if readings.may_be_refused => return None,
        Err(_) if file.served().stopped || !judgement.has(Judgement::REFUSALS) => {
            return Some(Judgement::CONTENT.outcome(false, true));
        }
        _ => {}
    }
    let wrong = match &answer {
        Ok(given) => (0..due.len()).find(|&nth| given.get(nth) != Some(&due[nth])),
        Err(_) => Some(0),
    };
    let mut checks = Checks::default();
    checks.evaluate(&check::CONTENT, wrong.is_none());
    checks.conclude(case, |violation| {
        let nth = wrong.unwrap_or_default();
        let (range, due) = (&ranges[nth], &due[nth]);
        let given = answer.map(|given| given.get(nth).cloned().unwrap_or_default());
        let bytes = given.as_ref().unwrap_or(due);
        let same = bytes
            .iter()
            .zip(due)
            .take_while(|(given, due)| given == due);
        let first = range.start + same.count() as u64;
        // Data is words of 8 bytes.
        let from = (first & !7).max(range.start) - range.start;
        let shown = |bytes| shown(bytes, from as usize, due, file.size());
        let given = given.as_ref().map(|given| shown(given));
        violation
            .answered(given.unwrap_or_else(answers::of_refusal), shown(due))
            .with("read_from", range.start)
            .with("read_to", range.end)
            .with("first_wrong_byte", first)
    });
    Some(Outcome::Checked)
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
