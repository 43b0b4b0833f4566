//! Which part of the harness an instruction belongs to.
//!
//! Compilers inline across modules, and in Rust half of what a function does is the standard library's code
//! inlined into it. So an instruction has a chain of frames: the place that it was written at, the function
//! that this was inlined into, and so on. It belongs to the first of them that is in the harness or in the
//! code under test. What is used by several parts (the standard library, a checksum, the sparse image)
//! belongs to the part that uses it.

use std::collections::HashMap;
use std::path::Path;

use addr2line::Loader;
use anyhow::{Result, anyhow};

/// A part of the harness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Decoding the input, and making the image of a recipe.
    Building,
    /// The reference model.
    Model,
    /// The code under test.
    CodeUnderTest,
    /// The mock device that serves the code under test its sectors.
    Device,
    /// The checks, and all that remains.
    Checks,
}

impl Area {
    /// Every area.
    pub const ALL: [Self; 5] = [
        Self::Building,
        Self::Model,
        Self::CodeUnderTest,
        Self::Device,
        Self::Checks,
    ];

    /// Its place in [`Area::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The area of a source file and a function in it, whose name may be mangled; `None` when it belongs
    /// to whoever uses it.
    #[must_use]
    pub fn of(file: &str, function: &str) -> Option<Self> {
        const HARNESS: &str = "/harness-core/src/";
        const LIBRARIES: [&str; 4] = [
            "/rustc/",
            "/rustlib/src/rust/library/",
            "/registry/src/",
            "/git/checkouts/",
        ];
        if let Some((_, within)) = file.rsplit_once(HARNESS) {
            let is_decoding = within == "decode.rs" || function.contains("decode");
            return match within {
                "sparse.rs" | "crc32c.rs" => None,
                "device.rs" => Some(Self::Device),
                _ if within.starts_with("model/") => Some(Self::Model),
                _ if within.starts_with("recipe/") || is_decoding => Some(Self::Building),
                _ => Some(Self::Checks),
            };
        }
        let is_library = LIBRARIES.iter().any(|library| file.contains(library));
        (file.ends_with(".rs") && !is_library).then_some(Self::CodeUnderTest)
    }
}

/// The areas of an executable's instructions, by its line tables.
pub struct Areas {
    loader: Loader,
    known: HashMap<u64, Option<Area>>,
}

impl Areas {
    /// Reads the line tables of `executable`.
    ///
    /// # Errors
    /// When it cannot be read or has none.
    pub fn of(executable: &Path) -> Result<Self> {
        Ok(Self {
            loader: Loader::new(executable)
                .map_err(|error| anyhow!("{}: {error}", executable.display()))?,
            known: HashMap::new(),
        })
    }

    /// The area of the instruction at `address`; `None` when it belongs to whoever calls its function.
    ///
    /// # Errors
    /// When the line tables cannot be understood.
    pub fn area(&mut self, address: u64) -> Result<Option<Area>> {
        if let Some(&known) = self.known.get(&address) {
            return Ok(known);
        }
        let area = self
            .look_up(address)
            .map_err(|error| anyhow!("the line of {address:#x}: {error}"))?;
        self.known.insert(address, area);
        Ok(area)
    }

    fn look_up(&self, address: u64) -> Result<Option<Area>, Box<dyn std::error::Error>> {
        let mut frames = self.loader.find_frames(address)?;
        while let Some(frame) = frames.next()? {
            let file = frame.location.and_then(|location| location.file);
            let function = match &frame.function {
                Some(function) => function.raw_name()?,
                None => "".into(),
            };
            if let Some(area) = file.and_then(|file| Area::of(file, &function)) {
                return Ok(Some(area));
            }
        }
        Ok(None)
    }
}

impl std::fmt::Debug for Areas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Areas")
            .field("known", &self.known.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_its_area() {
        let harness = |file: &str| Area::of(&format!("/a/harness-core/src/{file}"), "run");
        assert_eq!(harness("model/scanners/vhd.rs"), Some(Area::Model));
        assert_eq!(harness("recipe/vmdk/plan.rs"), Some(Area::Building));
        assert_eq!(harness("decode.rs"), Some(Area::Building));
        assert_eq!(harness("device.rs"), Some(Area::Device));
        assert_eq!(harness("calc.rs"), Some(Area::Checks));
        let decode = "_ZN12harness_core4calc8CalcCase6decode17h0123456789abcdefE";
        let file = "/a/harness-core/src/calc.rs";
        assert_eq!(Area::of(file, decode), Some(Area::Building));
        assert_eq!(harness("crc32c.rs"), None);
        assert_eq!(harness("sparse.rs"), None);
        let measure = Area::of("/a/crates/measure/src/raw.rs", "measure_raw");
        assert_eq!(measure, Some(Area::CodeUnderTest));
        for library in [
            "/rustc/59807616e/library/core/src/slice/mod.rs",
            "/home/user/.rustup/toolchains/stable/lib/rustlib/src/rust/library/alloc/src/vec/mod.rs",
            "/home/user/.cargo/registry/src/index/crc-3.4.0/src/lib.rs",
            "./string/../sysdeps/x86_64/multiarch/memset.S",
        ] {
            assert_eq!(Area::of(library, "f"), None, "{library}");
        }
        for (nth, area) in Area::ALL.into_iter().enumerate() {
            assert_eq!(area.index(), nth);
        }
    }
}
