//! The options of an encrypted qcow2, and the room that the LUKS header takes.
//!
//! Neither the passphrase nor the time spent on it changes a size, so a secret is only looked up by
//! its name, as qemu-img does, and never read.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};

use crate::options::{Options, items};

/// Key lengths in bytes. Those that qemu-img knows and refuses for LUKS (des, 3des, sm4) are left out.
const CIPHERS: [(&str, u32); 10] = [
    ("aes-256", 32),
    ("aes-192", 24),
    ("aes-128", 16),
    ("cast5-128", 16),
    ("serpent-128", 16),
    ("serpent-192", 24),
    ("serpent-256", 32),
    ("twofish-128", 16),
    ("twofish-192", 24),
    ("twofish-256", 32),
];

/// Modes; whether there are two keys.
const MODES: [(&str, bool); 4] = [
    ("xts", true),
    ("cbc", false),
    ("ctr", false),
    ("ecb", false),
];

const HASHES: [&str; 8] = [
    "sha256",
    "md5",
    "sha1",
    "sha224",
    "sha384",
    "sha512",
    "ripemd160",
    "sm3",
];

const IV_GENERATORS: [&str; 3] = ["plain64", "plain", "essiv"];

/// The bytes that a LUKS header adds to a qcow2 image with these options; `None` without LUKS.
/// `secrets` are the ids of the secrets there are. Fails when an option is refused by `qemu-img create`, or makes it
/// fail; the message names it.
pub(crate) fn overhead(options: &Options, secrets: &[String]) -> Result<Option<u64>> {
    let is_old = options.switch("encryption");
    let Some(format) = options.text("encrypt.format").or(is_old.then_some("aes")) else {
        if let Some(name) = options.with_prefix("encrypt.").next() {
            bail!("-o {name}: encrypt.format is missing");
        }
        return Ok(None);
    };
    ensure!(
        !(is_old && options.has("encrypt.format")),
        "-o encryption is the former name of encrypt.format=aes: they do not go together"
    );
    match format {
        "luks" => {
            let overhead = luks_overhead(options)?;
            check_secret(options, secrets)?;
            Ok(Some(overhead))
        }
        "aes" => {
            let known = ["encrypt.format", "encrypt.key-secret"];
            let mut given = options.with_prefix("encrypt.");
            if let Some(name) = given.find(|name| !known.contains(name)) {
                bail!("-o {name} does not go with encrypt.format=aes");
            }
            check_secret(options, secrets)?;
            Ok(None)
        }
        other => bail!("-o encrypt.format={other:?}: expected luks or aes"),
    }
}

fn luks_overhead(options: &Options) -> Result<u64> {
    let key_bytes = options.choice("encrypt.cipher-alg", &CIPHERS)?;
    let two_keys = options.choice("encrypt.cipher-mode", &MODES)?;
    options.one_of("encrypt.hash-alg", &HASHES)?;
    options.one_of("encrypt.ivgen-hash-alg", &HASHES)?;
    options.one_of("encrypt.ivgen-alg", &IV_GENERATORS)?;
    ensure!(
        !(two_keys && options.text("encrypt.cipher-alg") == Some("cast5-128")),
        "-o encrypt.cipher-alg=cast5-128: its blocks are too short for the mode xts"
    );
    ensure!(
        two_keys || key_bytes != 24,
        "-o encrypt.cipher-alg: a key of 192 bits without xts gives key slots that are no whole \
         sectors, which qemu-img aborts on"
    );
    Ok(measure::luks_payload(key_bytes, two_keys))
}

fn check_secret(options: &Options, secrets: &[String]) -> Result<()> {
    let id = options.text("encrypt.key-secret").context(
        "-o encrypt.key-secret is required for encryption (as in \
         --object secret,id=sec0,data=x -o encrypt.key-secret=sec0)",
    )?;
    ensure!(
        secrets.iter().any(|secret| secret == id),
        "-o encrypt.key-secret={id:?}: there is no --object secret of that id"
    );
    Ok(())
}

/// The id of the secret that the value of `--object` makes: `secret,id=ID,data=TEXT`, or the same as
/// JSON. The secret itself is not looked at. Fails when it is not a secret, or not a whole one.
pub(crate) fn secret_id(object: &str) -> Result<String> {
    let properties = properties(object)
        .with_context(|| format!("--object {object:?}: expected secret,id=ID,data=TEXT"))?;
    let property = |name: &str| properties.get(name).map(String::as_str);
    let kind = property("qom-type").unwrap_or_default();
    ensure!(
        kind == "secret",
        "--object {kind:?}: only a secret bears on a measurement"
    );
    let known = ["qom-type", "id", "data", "file", "format", "keyid", "iv"];
    let mut names = properties.keys();
    if let Some(unknown) = names.find(|name| !known.contains(&name.as_str())) {
        bail!("--object secret has no property {unknown:?}");
    }
    let id = property("id").context("--object secret: its id is missing")?;
    let is_named = id.starts_with(|first: char| first.is_ascii_alphabetic())
        && id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    ensure!(
        is_named,
        "--object secret: the id {id:?} is not letters, digits, '-', '.', '_', beginning with a letter"
    );
    ensure!(
        property("data").is_some() != property("file").is_some(),
        "--object secret: expected either data or file"
    );
    ensure!(
        matches!(property("format"), None | Some("raw" | "base64")),
        "--object secret: the format is neither raw nor base64"
    );
    Ok(id.to_owned())
}

fn properties(object: &str) -> Result<BTreeMap<String, String>> {
    if object.starts_with('{') {
        return Ok(serde_json::from_str(object)?);
    }
    let items = items(object)?.into_iter().enumerate();
    let pairs = items.map(|(nth, item)| match item.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None if nth == 0 => Ok(("qom-type".to_owned(), item)),
        None => bail!("{item:?} has no value"),
    });
    pairs.collect()
}
