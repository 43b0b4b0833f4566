//! `images measure` of random images against `qemu-img measure`: writes, zeroes, discards, holes in the files, and
//! chains of one to four images of different formats, sizes and clusters.

use crate::qemu::Bench;
use fastrand::Rng;
use images::differential::draw::pick;

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
const BASES: [(&str, &str); 6] = [
    ("raw", "preallocation=off"),
    ("vmdk", "adapter_type=ide"),
    ("vmdk", "zeroed_grain=on"),
    ("vpc", "force_size=on"),
    ("vpc", "force_size=on,subformat=fixed"),
    ("vpc", "subformat=fixed"),
];

/// An image: its format and the file's name.
type Image = (&'static str, String);

fn make_image(random: &mut Rng, bench: &Bench, name: String, base: Option<&Image>) -> Image {
    let mut size = (1 + random.u64(..12_000)) * 512;
    let (format, options) = match base {
        Some(("vmdk", base)) if random.bool() => {
            // QEMU wants a parent of the same size.
            size = bench.virtual_size("vmdk", base);
            ("vmdk", "zeroed_grain=on")
        }
        // Without preallocation.
        Some(_) => ("qcow2", pick(random, &QCOW2[..8])),
        None if random.bool() => pick(random, &BASES),
        None => ("qcow2", pick(random, &QCOW2)),
    };
    let on = base.map_or(String::new(), |(format, base)| {
        format!("-b {base} -F {format}")
    });
    bench.img_ok(&format!(
        "create -q -f {format} -o {options} {on} {name} {size}"
    ));
    change(random, bench, format, &name, size);
    (format, name)
}

/// Writes, zeroes and discards, and makes holes where data lies in the file.
fn change(random: &mut Rng, bench: &Bench, format: &str, name: &str, size: u64) {
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
        bench.io(format, name, &[&format!("{kind} {at} {length}")]);
    }
    let places = bench.places(format, name);
    if places.is_empty() || random.bool() {
        return;
    }
    for _ in 0..random.u64(..12) {
        let (place, length) = pick(random, &places);
        // Any bytes, or whole blocks of the file system.
        let unit = pick(random, &[1, 4096]);
        let start = (place + random.u64(..length)).next_multiple_of(unit);
        let end = (start + 1 + random.u64(..length)).min(place + length) / unit * unit;
        if start < end {
            bench.punch(name, start, end - start);
        }
    }
}

#[test]
fn random_images_and_chains() {
    let bench = Bench::new();
    for seed in 0..CHAINS {
        let mut random = Rng::with_seed(seed);
        let depth = 1 + random.u64(..4);
        let mut top: Option<Image> = None;
        for nth in 0..depth {
            let image = make_image(&mut random, &bench, format!("{seed}-{nth}"), top.as_ref());
            let (format, name) = &image;
            for options in ["cluster_size=512", "cluster_size=64k", "cluster_size=2M"] {
                let options = format!("-O qcow2 -o {options}");
                bench.same(&format!("{options} -f {format} {name}"));
                if top.is_some() {
                    bench.same_own_layer(&options, format, name);
                }
            }
            top = Some(image);
        }
    }
    bench.compared(5 * CHAINS as u32, "random images");
}
