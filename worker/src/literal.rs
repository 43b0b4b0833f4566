//! Bytes as Rust: how a case's input is printed.

/// The longest literal that a report prints, in bytes of text.
const LONGEST_LITERAL: usize = 8 << 10;

/// A `Vec<u8>` as an expression, or what to read instead of a long one.
pub fn of(bytes: &[u8]) -> String {
    let literal = byte_literal(bytes);
    if literal.len() > LONGEST_LITERAL {
        return "std::fs::read(\"INPUT\").unwrap() /* the input's file: too long to print */"
            .to_owned();
    }
    literal
}

/// A `Vec<u8>` as an expression, with long runs of one byte as what they are.
fn byte_literal(bytes: &[u8]) -> String {
    const LONG_RUN: usize = 12;
    let mut pieces = Vec::new();
    let mut plain: Vec<u8> = Vec::new();
    let end_plain = |plain: &mut Vec<u8>, pieces: &mut Vec<String>| {
        if !plain.is_empty() {
            pieces.push(format!("b\"{}\" as &[u8]", plain.escape_ascii()));
            plain.clear();
        }
    };
    for run in bytes.chunk_by(|a, b| a == b) {
        if run.len() < LONG_RUN {
            plain.extend(run);
        } else {
            end_plain(&mut plain, &mut pieces);
            pieces.push(format!("&[{}u8; {}] as &[u8]", run[0], run.len()));
        }
    }
    end_plain(&mut plain, &mut pieces);
    format!("[{}].concat()", pieces.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code given, run, and its text.
    macro_rules! runs_and_reads {
        ($code:expr) => {
            ($code, stringify!($code))
        };
    }

    #[test]
    fn bytes_as_rust_are_rust_that_makes_them() {
        let (bytes, text) = runs_and_reads! {
            [b"\x00QFI\xfb" as &[u8], &[0u8; 12] as &[u8], b"\x01" as &[u8], &[205u8; 20] as &[u8]].concat()
        };
        let without_blanks = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(without_blanks(&byte_literal(&bytes)), without_blanks(text));
        assert_eq!(bytes.len(), 38);
    }
}
