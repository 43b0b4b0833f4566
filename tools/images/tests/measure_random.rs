//! `images measure` of random images against `qemu-img measure`: writes, zeroes, discards, holes in the files, and
//! chains of one to four images of different formats, sizes and clusters.

mod qemu;

use std::path::Path;

use fastrand::Rng;
use images::differential::draw::pick;
use qemu::{Compared, folder, map, punch, qemu_img_ok, qemu_io, same_answer, same_own_layer};

/// How many chains are made. Each image of a chain is measured.
const CHAINS: u64 = 40;

const QCOW2: [&str; 12] = [
    "cluster_size=512",
    "cluster_size=4k",
    "cluster_size=64k",
    "cluster_size=2M",
    "cluster_size=512,refcount_bits=1",
    "cluster_size=16k,extended_l2=on",
    "cluster_size=128k,extended_l2=on",
    "cluster_size=8k,compat=0.10",
    "cluster_size=512,preallocation=metadata",
    "cluster_size=4k,preallocation=metadata,refcount_bits=8",
    "cluster_size=32k,preallocation=metadata",
    "cluster_size=16k,extended_l2=on,preallocation=metadata",
];

/// Formats and options of an image that is no overlay. A VHDX is left out: qemu-img takes all of it for data.
const BASES: [(&str, &str); 5] = [
    ("raw", "preallocation=off"),
    ("vmdk", "adapter_type=ide"),
    ("vmdk", "zeroed_grain=on"),
    ("vpc", "force_size=on"),
    ("vpc", "force_size=on,subformat=fixed"),
];

/// An image: its format and the file's name.
type Image = (&'static str, String);

fn make_image(random: &mut Rng, folder: &Path, name: String, base: Option<&Image>) -> Image {
    let (format, options) = match base {
        Some(("vmdk", _)) if random.u64(..2) == 0 => ("vmdk", "zeroed_grain=on"),
        Some(_) => {
            let without_preallocation = &QCOW2[..8];
            ("qcow2", pick(random, without_preallocation))
        }
        None if random.u64(..2) == 0 => pick(random, &BASES),
        None => ("qcow2", pick(random, &QCOW2)),
    };
    // QEMU wants a parent of the same size.
    let size = if format == "vmdk" && base.is_some() {
        let base = base.map(|(_, name)| name.as_str()).unwrap();
        qemu_img_ok(folder, &format!("info --output json {base}")).number("virtual-size")
    } else {
        (1 + random.u64(..12_000)) * 512
    };
    let size_text = size.to_string();
    let mut create = vec!["create", "-q", "-f", format, "-o", options];
    if let Some((base_format, base)) = base {
        create.extend(["-b", base, "-F", base_format]);
    }
    create.extend([name.as_str(), &size_text]);
    qemu_img_ok(folder, &create);
    change(random, folder, format, &name, size);
    (format, name)
}

/// Writes, zeroes and discards, and makes holes where data lies in the file.
fn change(random: &mut Rng, folder: &Path, format: &str, name: &str, size: u64) {
    for _ in 0..random.u64(..6) {
        let (unit, most) = pick(random, &[(512, 200), (4096, 60), (65536, 20)]);
        let at = random.u64(..size.div_ceil(unit)) * unit;
        let length = ((1 + random.u64(..most)) * unit).min(size - at);
        let kind = match (format, random.u64(..8)) {
            ("qcow2" | "vmdk", 0) => "write -z",
            ("qcow2", 1) => "write -z -u",
            ("qcow2", 2) => "discard",
            _ => "write -P 1",
        };
        qemu_io(folder, format, name, &[&format!("{kind} {at} {length}")]);
    }
    if random.u64(..2) == 0 {
        return;
    }
    let extents = map(folder, format, name).into_iter();
    let own = extents.filter(|extent| extent.is_own && extent.is_data);
    let places: Vec<_> = own
        .filter_map(|extent| Some((extent.place?, extent.length)))
        .collect();
    for _ in 0..random.u64(..12) {
        let Some((place, length)) = (!places.is_empty()).then(|| pick(random, &places)) else {
            return;
        };
        // Any bytes, or whole blocks of the file system.
        let unit = pick(random, &[1, 4096]);
        let start = (place + random.u64(..length)).next_multiple_of(unit);
        let end = (start + 1 + random.u64(..length)).min(place + length) / unit * unit;
        if start < end {
            punch(folder, name, start, end - start);
        }
    }
}

#[test]
fn random_images_and_chains() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    for seed in 0..CHAINS {
        let mut random = Rng::with_seed(seed);
        let depth = 1 + random.u64(..4);
        let mut top: Option<Image> = None;
        for nth in 0..depth {
            let name = format!("{seed}-{nth}");
            let image = make_image(&mut random, &folder, name, top.as_ref());
            let (format, name) = &image;
            for options in ["cluster_size=512", "cluster_size=64k", "cluster_size=2M"] {
                let args = ["-O", "qcow2", "-o", options];
                let all = [&args[..], &["-f", format, name]].concat();
                same_answer(&folder, &all, &mut compared);
                if top.is_some() {
                    same_own_layer(&folder, (format, name), &args, &mut compared);
                }
            }
            top = Some(image);
        }
    }
    compared.at_least(3 * CHAINS as u32, "random images");
}
