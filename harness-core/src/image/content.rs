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
    let asks = Asks {
        reader,
        image,
        judgement,
        case,
        content: &content,
    };
    // Where a reader may refuse the image, it may have found another size in it.
    let size = content.virtual_size;
    let is_asked = |range: &Range<u64>| range.end <= size || !readings.may_be_refused;
    let known = ranges(&content)
        .into_iter()
        .filter(is_asked)
        .filter_map(|range| Some((range.clone(), content.of(&range, &image.bytes)?)));
    let (swelling, known): (Vec<_>, Vec<_>) = known.partition(|(range, _)| content.swells(range));
    let may_be_refused = readings.may_be_refused || content.is_encrypted;
    let outcome = asks.of(known, may_be_refused);
    // What inflates to far more than its unit may be cut, and may be refused.
    let swelling: Vec<_> = swelling.into_iter().take(1).collect();
    if !swelling.is_empty() {
        asks.of(swelling, true);
    }
    outcome
}

/// What is asked of a reader.
struct Asks<'a> {
    reader: Reader,
    image: &'a OnDevice<'a>,
    judgement: Judgement,
    case: &'a Reported<'a>,
    content: &'a Content,
}

impl Asks<'_> {
    /// Asks for ranges of which it is known what is due.
    fn of(&self, known: Vec<(Range<u64>, Vec<u8>)>, may_be_refused: bool) -> Option<Outcome> {
        let (ranges, due): (Vec<_>, Vec<_>) = known.into_iter().unzip();
        let device = self.image.device(&self.image.manner());
        let bytes = self.image.bytes.clone();
        let file = ImageFile::filled(bytes, self.content.fill.clone(), device.limits());
        let meter = Meter::start();
        let answer = (self.reader)(file.clone(), self.image.recipe.format, &ranges);
        device.note_served(file.served(), meter.peak());
        let is_encrypted = self.content.is_encrypted;
        let is_wrong = |given: Option<&Vec<u8>>, due: &Vec<u8>| match given {
            Some(given) if is_encrypted => has_words_of(given, due),
            given => !is_encrypted && given != Some(due),
        };
        let wrong = match &answer {
            Ok(given) => (0..due.len()).find(|&nth| is_wrong(given.get(nth), &due[nth])),
            Err(_) if may_be_refused => None,
            Err(_) => Some(0),
        };
        let outcome = match &answer {
            Ok(_) => Some(Outcome::Checked),
            Err(Refusal::NotSupported(feature)) => Some(Outcome::NotJudged(feature.clone())),
            Err(_) if may_be_refused => None,
            Err(_) if file.served().stopped || !self.judgement.has(Judgement::REFUSALS) => {
                Some(Judgement::CONTENT.outcome(false, true))
            }
            Err(_) => Some(Outcome::Checked),
        };
        let is_judged = outcome == Some(Outcome::Checked);
        let mut checks = Checks::default();
        checks.evaluate_if(
            self.judgement.has(Judgement::MEMORY),
            &check::MEMORY,
            device.is_memory_bounded(),
        );
        checks.evaluate_if(is_encrypted, &check::CIPHERTEXT, wrong.is_none());
        checks.evaluate_if(is_judged && !is_encrypted, &check::CONTENT, wrong.is_none());
        checks.conclude(self.case, |violation| {
            if violation.is_of(&check::MEMORY) {
                return device.with_memory(violation);
            }
            let nth = wrong.unwrap_or_default();
            let (range, due) = (&ranges[nth], &due[nth]);
            let given = answer.map(|given| given.get(nth).cloned().unwrap_or_default());
            let bytes = given.as_ref().unwrap_or(due);
            let same = bytes.iter().zip(due).take_while(|(given, due)| {
                // Of what is encrypted all but the file's own data is right.
                if is_encrypted {
                    **due == 0
                } else {
                    given == due
                }
            });
            let first = range.start + same.count() as u64;
            // Data is words of 8 bytes.
            let from = (first & !7).max(range.start) - range.start;
            let shown = |bytes| shown(bytes, from as usize, due, file.size());
            let given = given.as_ref().map(|given| shown(given));
            let due = match is_encrypted {
                true => answers::of_refusal(&Refusal::words("the disk is encrypted")),
                false => shown(due),
            };
            violation
                .answered(given.unwrap_or_else(answers::of_refusal), due)
                .with("read_from", range.start)
                .with("read_to", range.end)
                .with("first_wrong_byte", first)
        });
        outcome
    }
}

/// Whether what was `given` has eight bytes in a row at the place where the file has them, none of them zero.
fn has_words_of(given: &[u8], file: &[u8]) -> bool {
    let mut words = given.windows(8).zip(file.windows(8));
    words.any(|(given, file)| given == file && !file.contains(&0))
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
