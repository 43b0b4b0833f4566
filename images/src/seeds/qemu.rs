//! Making an image as a recipe says, with qemu-img and qemu-io.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::recipes::{Recipe, Step};

/// The image's name while it is made. A recipe's arguments say it where it belongs.
pub const IMAGE: &str = "image";

/// The name of a raw disk to convert from.
pub const SOURCE: &str = "source.raw";

/// Makes the image of `recipe` in `folder`, which is empty. Returns its path.
///
/// # Errors
/// When qemu-img or qemu-io is missing, or one of the recipe's steps fails.
pub fn make(recipe: &Recipe, folder: &Path) -> Result<PathBuf> {
    let format = recipe.format.name();
    for step in recipe.steps {
        match step {
            Step::Create(options, size) => {
                let mut args = vec!["create", "-q", "-f", format];
                if !options.is_empty() {
                    args.extend(["-o", options]);
                }
                args.extend([IMAGE, size]);
                run("qemu-img", &args, folder)?;
            }
            Step::Source(size, commands) => {
                run(
                    "qemu-img",
                    &["create", "-q", "-f", "raw", SOURCE, size],
                    folder,
                )?;
                write(folder, "raw", SOURCE, commands)?;
            }
            Step::Write(commands) => write(folder, format, IMAGE, commands)?,
            Step::QemuImg(args) => run("qemu-img", args, folder)?,
        }
    }
    Ok(folder.join(IMAGE))
}

fn write(folder: &Path, format: &str, image: &str, commands: &[&str]) -> Result<()> {
    let mut args = vec!["-f", format];
    for command in commands {
        args.extend(["-c", command]);
    }
    args.push(image);
    run("qemu-io", &args, folder)
}

fn run(program: &str, args: &[&str], folder: &Path) -> Result<()> {
    let ran = Command::new(program)
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| {
            format!(
                "{program} cannot be started: it is in the package qemu-utils of Debian and Ubuntu"
            )
        })?;
    let said = String::from_utf8_lossy(&ran.stdout);
    // qemu-io may say on standard output that a command failed, and end well.
    if !ran.status.success() || said.contains("failed") {
        let complaint = String::from_utf8_lossy(&ran.stderr);
        let complaint = complaint
            .lines()
            .chain(said.lines())
            .next()
            .unwrap_or_default();
        bail!("{program} {}: {complaint}", args.join(" "));
    }
    Ok(())
}
