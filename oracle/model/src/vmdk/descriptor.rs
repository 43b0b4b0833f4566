//! The text descriptor of a VMDK.
//!
//! Written from "Virtual Disk Format 5.0", section "The Descriptor File", and QEMU's block/vmdk.c. A line that is
//! neither blank nor a comment, `key=value` or an extent is a fault, and so is each value out of bounds.

/// A size or place in sectors that cannot be: 2^63 bytes.
const TOO_MANY: u64 = (1 << 63) / 512;

/// Whether a file with these first 512 bytes is a descriptor for QEMU (`vmdk_probe`): the first line that is neither a
/// comment nor made of blanks is a version, and it ends there. A line without a blank is no line of blanks.
pub fn is_one(head: &[u8; 512]) -> bool {
    let mut lines = head.split_inclusive(|&byte| byte == b'\n');
    let passed_over = |line: &&[u8]| {
        let blanks = line.iter().take_while(|&&byte| byte == b' ').count();
        line[0] == b'#' || blanks > 0 && matches!(&line[blanks..], b"\n" | b"\r\n")
    };
    let first = lines.find(|line| !passed_over(line));
    first.is_some_and(|line| {
        let versions = [1, 2, 3].map(|number| format!("version={number}"));
        let ends = ["\n", "\r\n"];
        let mut all = versions
            .iter()
            .flat_map(|text| ends.map(|end| format!("{text}{end}")));
        all.any(|whole| whole.as_bytes() == line)
    })
}

/// A descriptor, written anew from what it states: its keys, then its extents, then its size. Names have no bytes but
/// those of ASCII; others are escaped.
///
/// ```text
/// version=1
/// createType=monolithicFlat
/// CID=fffffffe
/// parentCID=ffffffff
/// parentFileNameHint=parent.vmdk (if it has one)
/// RW 8192 FLAT disk-flat.vmdk 0
/// 8192 sectors
/// ```
///
/// # Errors
/// The number of the first bad line, from 1; 0 when a key or every extent is missing, which is found first.
pub fn parse(text: &[u8]) -> Result<String, usize> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let lines: Vec<&[u8]> = text
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .collect();
    let value = |key: &str| lines.iter().find_map(|line| value(line, key));
    let id = |key: &str| value(key).and_then(hexadecimal).ok_or(0_usize);
    let version = value("version").filter(|version| matches!(version, [b'1'..=b'3']));
    let mut anew = format!(
        "version={}\ncreateType={}\nCID={:08x}\nparentCID={:08x}\n",
        version.ok_or(0_usize)?.escape_ascii(),
        value("createType").ok_or(0_usize)?.escape_ascii(),
        id("CID")?,
        id("parentCID")?,
    );
    if let Some(name) = value("parentFileNameHint") {
        anew += &format!("parentFileNameHint={}\n", name.escape_ascii());
    }
    let mut total = 0;
    for (nth, line) in lines.iter().enumerate() {
        let is_other = line.is_empty() || line[0] == b'#' || line.contains(&b'=');
        if access(line).is_none() && is_other {
            continue;
        }
        let (sectors, extent) = extent(line).ok_or(nth + 1)?;
        total += sectors;
        if total >= TOO_MANY {
            return Err(nth + 1);
        }
        anew += &extent;
    }
    if total == 0 {
        return Err(0);
    }
    Ok(format!("{anew}{total} sectors\n"))
}

/// The value in a line `key=value` of this key; of a value in quotes, what is between them.
fn value<'a>(line: &&'a [u8], key: &str) -> Option<&'a [u8]> {
    let mut sides = line.splitn(2, |&byte| byte == b'=');
    let is_it = sides.next()?.trim_ascii() == key.as_bytes();
    let value = sides.next()?.trim_ascii();
    let mut quoted = value.split(|&byte| byte == b'"');
    let value = if value.starts_with(b"\"") {
        quoted.nth(1)?
    } else {
        value
    };
    is_it.then_some(value)
}

/// The access of the line of an extent, by its first word.
fn access(line: &[u8]) -> Option<&'static str> {
    let first = words(line).next()?;
    ["RW", "RDONLY", "NOACCESS"]
        .into_iter()
        .find(|access| access.as_bytes() == first)
}

/// The size of the extent in a line, and the line anew: words, then a name in quotes and perhaps an offset, but for
/// zeros.
fn extent(line: &[u8]) -> Option<(u64, String)> {
    let mut parts = line.splitn(3, |&byte| byte == b'"');
    let (front, name, back) = (parts.next()?, parts.next(), parts.next());
    let [_, sectors, kind] = words(front).collect::<Vec<_>>()[..] else {
        return None;
    };
    let kinds = [
        "FLAT",
        "SPARSE",
        "ZERO",
        "VMFS",
        "VMFSSPARSE",
        "VMFSRDM",
        "VMFSRAW",
        "SESPARSE",
    ];
    let kind = kinds.into_iter().find(|known| known.as_bytes() == kind)?;
    let sectors = decimal(sectors).filter(|&sectors| sectors > 0)?;
    let is_apart = front.last().is_some_and(u8::is_ascii_whitespace);
    let behind: Vec<&[u8]> = words(back.unwrap_or_default()).collect();
    let offset = match (kind, name, &behind[..]) {
        ("ZERO", None, []) => 0,
        ("ZERO", ..) => return None,
        _ if !is_apart || back.is_none() => return None,
        ("FLAT", _, [offset]) => decimal(offset).filter(|offset| offset + sectors <= TOO_MANY)?,
        ("FLAT", ..) => return None,
        (_, _, []) => 0,
        _ => return None,
    };
    let file_name = name.unwrap_or_default();
    let is_name = (1..512).contains(&file_name.len()) && !file_name.contains(&b'\r');
    let (access, name) = (access(line)?, file_name.escape_ascii());
    let anew = format!("{access} {sectors} {kind} {name} {offset}\n");
    (kind == "ZERO" || is_name).then_some((sectors, anew))
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = text.split(u8::is_ascii_whitespace);
    words.filter(|word| !word.is_empty())
}

/// A number of sectors in decimal digits.
fn decimal(word: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(word).ok()?;
    let number = digits.trim_start_matches('0');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = if number.is_empty() {
        Ok(0)
    } else {
        number.parse()
    };
    number.ok().filter(|&number| is_number && number < TOO_MANY)
}

/// A content id in one to eight hexadecimal digits.
fn hexadecimal(value: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(value).ok()?;
    let is_id = digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| is_id)
}
