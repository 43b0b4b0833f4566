//! A format to measure for, with its options: what the calculators are asked.
//!
//! Options have qemu-img's names. An option or a value that `qemu-img measure` refuses is refused. So is
//! one that `qemu-img create` refuses where `measure` does not look: there is no such image to measure.

use std::num::NonZeroU64;

use anyhow::{Result, anyhow, bail, ensure};
use measure::{
    MeasureError, MeasureOutput, Preallocation, Qcow2Opts, VhdOpts, VhdSubformat, VhdxOpts,
    VmdkOpts, VmdkSubformat,
};
use shared::AllocationSummary;

use super::format::ImageFormat;
use super::luks;
use super::options::Options;
use super::target_options::specs;

const MIB: u64 = 1 << 20;

/// A format to measure for, and its options.
#[derive(Debug, Clone)]
pub struct Target {
    format: ImageFormat,
    calculator: Calculator,
    /// Bytes that come on top of the calculator's answer.
    extra: u64,
    /// A base image was named.
    backing_file: bool,
    /// What the user should know about the answer.
    notes: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy)]
enum Calculator {
    Raw,
    Qcow2(Qcow2Opts),
    Vmdk(VmdkOpts),
    Vhd(VhdOpts),
    Vhdx(VhdxOpts),
}

impl Target {
    /// Images of `format` made with the options in `lists`, one an `-o`. `secrets` are the ids of the
    /// secrets there are.
    ///
    /// # Errors
    /// When an option is unknown, its value out of bounds, options do not go together, or one makes an
    /// image whose size is not known; the message names it.
    pub fn new(format: ImageFormat, lists: &[String], secrets: &[String]) -> Result<Self> {
        let options = Options::parse(lists, specs(format))?;
        let mut target = Self {
            format,
            calculator: Calculator::Raw,
            extra: 0,
            backing_file: options.has("backing_file"),
            notes: Vec::new(),
        };
        match format {
            ImageFormat::Raw => check_raw(&options)?,
            ImageFormat::Qcow2 => target.set_qcow2(&options, secrets)?,
            ImageFormat::Vmdk => target.set_vmdk(&options)?,
            ImageFormat::Vhd => target.set_vhd(&options)?,
            ImageFormat::Vhdx => target.set_vhdx(&options)?,
        }
        Ok(target)
    }

    /// What the user should know about the answer.
    #[must_use]
    pub fn notes(&self) -> &[&'static str] {
        &self.notes
    }

    /// The unit in bytes to count the data of a disk of `virtual_size` bytes in; none for raw.
    #[must_use]
    pub const fn unit(&self, virtual_size: u64) -> Option<NonZeroU64> {
        NonZeroU64::new(match &self.calculator {
            Calculator::Raw => 0,
            Calculator::Qcow2(options) => options.unit(),
            Calculator::Vmdk(options) => options.unit(),
            Calculator::Vhd(options) => options.unit(),
            Calculator::Vhdx(options) => options.unit(virtual_size),
        })
    }

    /// The cluster size in bytes if dirty bitmaps can be copied to the target.
    #[must_use]
    pub const fn bitmap_cluster_size(&self) -> Option<u64> {
        match self.calculator {
            Calculator::Qcow2(options) if options.compat_v3 => Some(options.unit()),
            _ => None,
        }
    }

    /// How large an empty image of `virtual_size` bytes is.
    ///
    /// # Errors
    /// When the format cannot hold so large a disk.
    pub fn measure_empty(&self, virtual_size: u64) -> Result<MeasureOutput> {
        self.ask(&AllocationSummary::new(virtual_size, 0))
    }

    /// How large an image with the data of another one is.
    ///
    /// # Errors
    /// When the format cannot hold so large a disk, or the answer depends on a base image.
    pub fn measure_copy(&self, summary: AllocationSummary) -> Result<MeasureOutput> {
        match (self.backing_file, self.calculator) {
            (false, _) => self.ask(&summary),
            // As qemu-img: it does not compare with the base image, so all of the disk may be written.
            (true, Calculator::Qcow2(_)) => {
                let size = summary.virtual_size;
                self.ask(&raw::scan_allocation(size, self.unit(size)))
            }
            (true, _) => bail!("-o backing_file: what is copied depends on the base image"),
        }
    }

    fn ask(&self, summary: &AllocationSummary) -> Result<MeasureOutput> {
        let answer = match &self.calculator {
            Calculator::Raw => measure::measure_raw(summary),
            Calculator::Qcow2(options) => measure::measure_qcow2(summary, options),
            Calculator::Vmdk(options) => measure::measure_vmdk(summary, options),
            Calculator::Vhd(options) => measure::measure_vhd(summary, options),
            Calculator::Vhdx(options) => measure::measure_vhdx(summary, options),
        };
        let size = summary.virtual_size;
        let answer = answer.map_err(|error| match error {
            MeasureError::InvalidSize => anyhow!(
                "a disk of {size} bytes is larger than {} can be with these options",
                self.format
            ),
            other => anyhow!("a disk of {size} bytes as {}: {other}", self.format),
        })?;
        Ok(MeasureOutput {
            required: answer.required + self.extra,
            fully_allocated: answer.fully_allocated + self.extra,
        })
    }

    fn set_qcow2(&mut self, options: &Options, secrets: &[String]) -> Result<()> {
        let compat_v3 = options.choice("compat", &[("1.1", true), ("0.10", false)])?;
        let opts = Qcow2Opts {
            cluster_size: cluster_size(options)?,
            refcount_bits: refcount_bits(options)?,
            compat_v3,
            extended_l2: options.switch("extended_l2"),
            lazy_refcounts: options.switch("lazy_refcounts"),
            compress: false,
            preallocation: preallocation(options)?,
            luks_header_overhead: luks::overhead(options, secrets)?,
        };
        let is_zstd = options.choice("compression_type", &[("zlib", false), ("zstd", true)])?;
        for (is_used, name) in [
            (opts.refcount_bits != 16, "refcount_bits other than 16"),
            (opts.extended_l2, "extended_l2"),
            (opts.lazy_refcounts, "lazy_refcounts"),
            (is_zstd, "compression_type=zstd"),
            (options.has("data_file"), "data_file"),
        ] {
            ensure!(compat_v3 || !is_used, "-o {name} needs compat=1.1");
        }
        ensure!(
            !opts.extended_l2 || opts.cluster_size >= 16384,
            "-o extended_l2 needs a cluster_size of 16k or more"
        );
        check_backing_file(options)?;
        ensure!(
            !self.backing_file || opts.preallocation == Preallocation::Off || opts.extended_l2,
            "-o preallocation and backing_file go together only with extended_l2"
        );
        ensure!(
            !options.switch("data_file_raw") || options.has("data_file"),
            "-o data_file_raw needs data_file"
        );
        ensure!(
            !options.switch("data_file_raw") || !self.backing_file,
            "-o data_file_raw and backing_file do not go together"
        );
        ensure!(
            options.text("data_file") != Some(""),
            "-o data_file: a name is missing"
        );
        if options.has("data_file") {
            self.notes
                .push("the data is counted here, though it goes to the data_file");
        }
        self.calculator = Calculator::Qcow2(opts);
        Ok(())
    }

    fn set_vmdk(&mut self, options: &Options) -> Result<()> {
        options.choice(
            "adapter_type",
            &[
                ("ide", ()),
                ("lsilogic", ()),
                ("buslogic", ()),
                ("legacyESX", ()),
            ],
        )?;
        if let Some(name @ ("twoGbMaxExtentSparse" | "twoGbMaxExtentFlat")) =
            options.text("subformat")
        {
            bail!("-o subformat={name}: several files, whose sizes cannot be answered here");
        }
        let subformat = options.choice(
            "subformat",
            &[
                ("monolithicSparse", VmdkSubformat::MonolithicSparse),
                ("monolithicFlat", VmdkSubformat::MonolithicFlat),
                ("streamOptimized", VmdkSubformat::StreamOptimized),
            ],
        )?;
        let is_flat = subformat == VmdkSubformat::MonolithicFlat;
        ensure!(
            !is_flat || !options.switch("zeroed_grain"),
            "-o zeroed_grain does not go with subformat=monolithicFlat"
        );
        ensure!(
            !is_flat || !self.backing_file,
            "-o backing_file does not go with subformat=monolithicFlat"
        );
        ensure!(
            !options.switch("compat6") || !options.has("hwversion"),
            "-o compat6 and hwversion do not go together"
        );
        check_backing_file(options)?;
        ensure!(
            matches!(options.text("backing_fmt"), None | Some("vmdk")),
            "-o backing_fmt: expected vmdk"
        );
        if subformat == VmdkSubformat::StreamOptimized {
            self.notes
                .push("the sizes are bounds, for data that cannot be compressed");
        }
        self.calculator = Calculator::Vmdk(VmdkOpts {
            subformat,
            ..VmdkOpts::default()
        });
        Ok(())
    }

    fn set_vhd(&mut self, options: &Options) -> Result<()> {
        self.calculator = Calculator::Vhd(VhdOpts {
            subformat: options.choice(
                "subformat",
                &[
                    ("dynamic", VhdSubformat::Dynamic),
                    ("fixed", VhdSubformat::Fixed),
                ],
            )?,
            force_size: options.switch("force_size"),
            ..VhdOpts::default()
        });
        Ok(())
    }

    fn set_vhdx(&mut self, options: &Options) -> Result<()> {
        if options.text("subformat") == Some("fixed") {
            bail!(
                "-o subformat=fixed cannot be answered: by default, qemu-img writes the payload of a \
                 fixed VHDX behind the room that it has allocated for it"
            );
        }
        options.choice("subformat", &[("dynamic", ())])?;
        // qemu-img rounds up to whole MiB, then cuts, then looks.
        let block_size = options.number("block_size").unwrap_or(0);
        let block_size = block_size.div_ceil(MIB).min(256) * MIB;
        ensure!(
            block_size == 0 || block_size.is_power_of_two(),
            "-o block_size: expected a power of two from 1M to 256M, or 0"
        );
        let log_size = options.number("log_size").unwrap_or(MIB);
        ensure!(
            (1..4096 * MIB).contains(&log_size),
            "-o log_size: expected 1M or more and less than 4G"
        );
        self.extra = (log_size.div_ceil(MIB) - 1) * MIB;
        self.calculator = Calculator::Vhdx(VhdxOpts {
            block_size: u32::try_from(block_size)?,
        });
        Ok(())
    }
}

fn check_raw(options: &Options) -> Result<()> {
    options.choice(
        "preallocation",
        &[("off", ()), ("falloc", ()), ("full", ())],
    )
}

fn cluster_size(options: &Options) -> Result<u32> {
    let bytes = options.number("cluster_size").unwrap_or(65536);
    match u32::try_from(bytes) {
        Ok(size) if size.is_power_of_two() && (512..=2 << 20).contains(&size) => Ok(size),
        _ => bail!("-o cluster_size: expected a power of two from 512 to 2M"),
    }
}

fn refcount_bits(options: &Options) -> Result<u8> {
    let bits = options.number("refcount_bits").unwrap_or(16);
    match u8::try_from(bits) {
        Ok(bits) if bits.is_power_of_two() && bits <= 64 => Ok(bits),
        _ => bail!("-o refcount_bits: expected a power of two from 1 to 64"),
    }
}

fn preallocation(options: &Options) -> Result<Preallocation> {
    options.choice(
        "preallocation",
        &[
            ("off", Preallocation::Off),
            ("metadata", Preallocation::Metadata),
            ("falloc", Preallocation::Falloc),
            ("full", Preallocation::Full),
        ],
    )
}

fn check_backing_file(options: &Options) -> Result<()> {
    ensure!(
        options.text("backing_file") != Some(""),
        "-o backing_file: a name is missing"
    );
    ensure!(
        options.has("backing_file") || !options.has("backing_fmt"),
        "-o backing_fmt needs backing_file"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(format: &str, list: &str) -> Result<Target> {
        Target::new(
            ImageFormat::parse(format)?,
            &[list.to_owned()],
            &["s".to_owned()],
        )
    }

    #[test]
    fn options_reach_the_calculators() {
        let size = |format, list| {
            let answer = target(format, list)
                .unwrap()
                .measure_empty(1 << 20)
                .unwrap();
            (answer.required, answer.fully_allocated)
        };
        assert_eq!(size("raw", "preallocation=full"), (1 << 20, 1 << 20));
        assert_eq!(size("qcow2", "cluster_size=4k"), (20480, 1_069_056));
        assert_eq!(size("qcow2", "preallocation=full"), (1_376_256, 1_376_256));
        let luks = "encrypt.format=luks,encrypt.key-secret=s,encrypt.cipher-alg=aes-128";
        assert_eq!(size("qcow2", luks), (1_441_792, 2_490_368));
        assert_eq!(size("vmdk", "subformat=monolithicFlat"), (1 << 20, 1 << 20));
        assert_eq!(size("vhd", "subformat=fixed,force_size").0, (1 << 20) + 512);
        assert_eq!(size("vhdx", "log_size=2.5M").0, 10 << 20);
        assert_eq!(size("vhdx", "block_size=1").1, 9 << 20);
    }

    #[test]
    fn what_create_refuses_is_refused_and_named() {
        for (format, list, expected) in [
            ("raw", "preallocation=metadata", "preallocation"),
            ("qcow2", "cluster_size=256", "cluster_size"),
            ("qcow2", "cluster_size=4M", "cluster_size"),
            ("qcow2", "cluster_size=65537", "cluster_size"),
            ("qcow2", "refcount_bits=3", "refcount_bits"),
            ("qcow2", "refcount_bits=256", "refcount_bits"),
            ("qcow2", "compat=v2", "compat"),
            ("qcow2", "compat=v3", "compat"),
            ("qcow2", "compat=0.10,refcount_bits=8", "compat=1.1"),
            ("qcow2", "compat=0.10,extended_l2", "compat=1.1"),
            ("qcow2", "compat=0.10,lazy_refcounts", "compat=1.1"),
            ("qcow2", "compat=0.10,data_file=d", "compat=1.1"),
            ("qcow2", "compat=0.10,compression_type=zstd", "compat=1.1"),
            ("qcow2", "compression_type=lz4", "compression_type"),
            ("qcow2", "extended_l2,cluster_size=8k", "16k"),
            ("qcow2", "preallocation=some", "preallocation"),
            ("qcow2", "backing_fmt=raw", "backing_file"),
            ("qcow2", "backing_file=", "name is missing"),
            ("qcow2", "backing_file=b,preallocation=full", "extended_l2"),
            ("qcow2", "data_file_raw", "data_file"),
            (
                "qcow2",
                "data_file=d,data_file_raw,backing_file=b",
                "together",
            ),
            ("qcow2", "encryption", "key-secret"),
            ("qcow2", "encrypt.key-secret=s", "encrypt.format is missing"),
            ("qcow2", "encrypt.format=rot13", "luks or aes"),
            ("qcow2", "encrypt.format=luks", "key-secret"),
            (
                "qcow2",
                "encrypt.format=luks,encrypt.key-secret=t",
                "no --object",
            ),
            (
                "qcow2",
                "encrypt.format=aes,encrypt.hash-alg=md5",
                "hash-alg",
            ),
            (
                "qcow2",
                "encrypt.format=luks,encrypt.cipher-alg=3des",
                "cipher-alg",
            ),
            (
                "qcow2",
                "encrypt.format=luks,encrypt.cipher-alg=cast5-128",
                "xts",
            ),
            ("vmdk", "subformat=twoGbMaxExtentFlat", "several files"),
            ("vmdk", "subformat=thin", "subformat"),
            ("vmdk", "adapter_type=scsi", "adapter_type"),
            (
                "vmdk",
                "zeroed_grain,subformat=monolithicFlat",
                "zeroed_grain",
            ),
            ("vmdk", "compat6,hwversion=4", "compat6"),
            ("vmdk", "backing_file=b,backing_fmt=raw", "vmdk"),
            ("vpc", "subformat=differencing", "subformat"),
            ("vpc", "block_size=1M", "block_size"),
            ("vhdx", "subformat=fixed", "cannot be answered"),
            ("vhdx", "block_size=3M", "block_size"),
            ("vhdx", "log_size=0", "log_size"),
            ("vhdx", "log_size=4G", "log_size"),
        ] {
            let error = format!("{:#}", target(format, list).unwrap_err());
            assert!(error.contains(expected), "{format} {list}: {error}");
        }
    }

    #[test]
    fn a_base_image_makes_all_of_a_copy_data_in_qcow2_and_no_answer_in_vmdk() {
        let summary = AllocationSummary::new(1 << 20, 0);
        let qcow2 = target("qcow2", "backing_file=b").unwrap();
        let answer = qcow2.measure_copy(summary).unwrap();
        assert_eq!(answer.required, answer.fully_allocated);
        let vmdk = target("vmdk", "backing_file=b,backing_fmt=vmdk").unwrap();
        assert!(vmdk.measure_copy(summary).is_err());
        assert!(vmdk.measure_empty(1 << 20).is_ok());
    }

    #[test]
    fn a_disk_that_is_too_large_is_said_with_its_size() {
        for (format, size) in [("qcow2", 1_u64 << 62), ("vhdx", 65 << 40), ("vpc", 3 << 40)] {
            let error = target(format, "size=1")
                .unwrap()
                .measure_empty(size)
                .unwrap_err();
            assert!(error.to_string().contains(&size.to_string()), "{error}");
        }
    }
}
