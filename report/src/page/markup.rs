//! Text made safe for HTML and for a shell, and figures made readable.

use crate::Estimate;
use crate::format::grouped;

/// `text` for HTML, as content or inside a quoted attribute. Control characters, which neither HTML
/// nor XML may contain, become U+FFFD; so do the marks that turn the direction of writing, with which
/// a file's name could pretend to be another.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            // Not characters at all, says XML.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if character.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// `word` as one word of a POSIX shell, quoted only when it must be.
pub(super) fn shell_word(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:=+,@%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A time in whole seconds: `8 s`, `1 min`, `1 h 30 min`.
pub(super) fn span(seconds: u64) -> String {
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}\u{a0}{unit}"))
        .collect();
    if parts.is_empty() {
        return "0\u{a0}s".to_owned();
    }
    parts.join(" ")
}

/// A time as measured: `58 ms`, `8.5 s`, `10 min 3 s`.
pub(super) fn measured(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        "–".to_owned()
    } else if seconds < 1.0 {
        format!("{:.0}\u{a0}ms", seconds * 1000.0)
    } else if seconds < 99.95 {
        format!("{seconds:.1}\u{a0}s")
    } else {
        span(seconds.round() as u64)
    }
}

/// A rate, rounded; `–` when there is none.
pub(super) fn rate(per_second: f64) -> String {
    if per_second.is_finite() && per_second >= 0.0 {
        grouped(per_second.round() as u64)
    } else {
        "–".to_owned()
    }
}

/// `part` of `whole` in percent, with one decimal.
pub(super) fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    format!("{:.1}\u{a0}%", part as f64 * 100.0 / whole as f64)
}

/// A count.
pub(super) fn count(number: usize) -> String {
    grouped(number as u64)
}

/// `1 input`, `2 inputs`.
pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A median of counts, which may lie between two: `1 343`, `12.5`.
pub(super) fn middling(value: f64) -> String {
    if !value.is_finite() || value < 0.0 {
        "–".to_owned()
    } else if value < 1000.0 && value.fract() != 0.0 {
        format!("{value:.1}")
    } else {
        grouped(value.round() as u64)
    }
}

/// An estimate as markup: the median, and below it the interval, if it has a width.
pub(super) fn estimate(estimate: Option<Estimate>, say: impl Fn(f64) -> String) -> String {
    estimate.map_or("–".to_owned(), |estimate| {
        let Estimate { median, low, high } = estimate;
        format!("{}{}", say(median), interval(low, high, say))
    })
}

/// An interval as markup, to stand below a figure; nothing when it has no width.
pub(super) fn interval(low: f64, high: f64, say: impl Fn(f64) -> String) -> String {
    let (low, high) = (say(low), say(high));
    if low == high {
        return String::new();
    }
    format!("<span class=\"interval\"><span class=\"hidden\">, </span>[{low}–{high}]</span>")
}

/// A p-value as a figure: `0.012`, `< 0.001`.
pub(super) fn p_figure(p: f64) -> String {
    if !p.is_finite() {
        "–".to_owned()
    } else if p < 0.001 {
        "<\u{a0}0.001".to_owned()
    } else if p < 0.1 {
        format!("{p:.3}")
    } else {
        format!("{p:.2}")
    }
}

/// A p-value in a sentence: `p = 0.012`, `p < 0.001`.
pub(super) fn p_value(p: f64) -> String {
    let figure = p_figure(p);
    if figure.starts_with('<') {
        format!("p\u{a0}{figure}")
    } else {
        format!("p\u{a0}=\u{a0}{figure}")
    }
}

/// Sentences as a list, or as a paragraph when there is but one.
pub(super) fn list(sentences: &[String]) -> String {
    match sentences {
        [] => String::new(),
        [only] => format!("<p>{}</p>\n", escape(only)),
        many => {
            let items = many.iter().map(|one| format!("<li>{}</li>\n", escape(one)));
            format!("<ul>\n{}</ul>\n", items.collect::<String>())
        }
    }
}

/// What makes a table scroll by itself, and reachable by the Tab key: put around it.
pub(super) fn scroll(label: &str, table: &str) -> String {
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n{table}</div>\n",
        escape(label)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(['\u{a0}', '\u{202f}'], " ")
    }

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(
            escape("<script a=\"b\" c='d'>&amp;"),
            "&lt;script a=&quot;b&quot; c=&#39;d&#39;&gt;&amp;amp;"
        );
        assert_eq!(
            escape("a\0b\u{1b}c\u{202e}d\n"),
            "a\u{fffd}b\u{fffd}c\u{fffd}d\n"
        );
    }

    #[test]
    fn a_shell_reads_one_word() {
        assert_eq!(shell_word("results/finds/0f3e"), "results/finds/0f3e");
        assert_eq!(shell_word("my file"), "'my file'");
        assert_eq!(shell_word("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(shell_word("~x"), "'~x'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn times_are_readable() {
        let spans = [0, 8, 60, 90, 3600, 5400, 86_400].map(|seconds| plain(&span(seconds)));
        assert_eq!(
            spans,
            [
                "0 s",
                "8 s",
                "1 min",
                "1 min 30 s",
                "1 h",
                "1 h 30 min",
                "24 h"
            ]
        );
        let times = [0.058, 8.49, 99.96, 603.2, f64::NAN].map(|seconds| plain(&measured(seconds)));
        assert_eq!(times, ["58 ms", "8.5 s", "1 min 40 s", "10 min 3 s", "–"]);
    }

    #[test]
    fn shares_and_lists() {
        assert_eq!(plain(&percent(1, 3)), "33.3 %");
        assert_eq!(percent(0, 0), "–");
        assert_eq!(rate(f64::INFINITY), "–");
        assert_eq!(counted(1, "input", "inputs"), "1 input");
        let items: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!(listed(&items), "a, b and c");
        assert_eq!(listed(&items[..2]), "a and b");
        assert_eq!(listed(&items[..1]), "a");
    }
}
