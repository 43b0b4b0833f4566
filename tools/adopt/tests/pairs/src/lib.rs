//! Lines of `name=value`. It has a mistake, for engines to find.
#![forbid(unsafe_code)]

/// The value of the line for `name`.
pub fn find<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    text.split(|&byte| byte == b'\n').find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(b"=")?;
        // The mistake: a name may end with its line.
        Some(&value[usize::from(value[0] == b' ')..])
    })
}

/// How many lines there are with a name and a value.
pub fn count(text: &[u8]) -> usize {
    let lines = text.split(|&byte| byte == b'\n');
    lines.filter(|line| line.contains(&b'=')).count()
}
