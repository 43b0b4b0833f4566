//! The scanners answer what the model answers, in value and in kind of error, for images made from random
//! recipes: sound, odd and damaged ones, mostly with checksums put right.
//!
//! Each format must have given every kind of answer often, and nearly every error message that its
//! scanner has: a change that makes the recipes miss some shows here.

mod support;

use std::collections::BTreeMap;

use harness_core::subject::{ScanErrorKind, ScanFormat};
use sparse::SparseImage;
use support::{decode, random_recipe, scan};

/// How many recipes of each format.
const RECIPES: u64 = 30_000;

fn compare(format: ScanFormat, messages: usize) {
    let mut random = fastrand::Rng::with_seed(4);
    let mut kinds: BTreeMap<Option<ScanErrorKind>, u64> = BTreeMap::new();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut with_data = 0;
    for nth in 0..RECIPES {
        let recipe = decode(&random_recipe(&mut random, format, nth % 4 != 0));
        let built = recipe.build().on_device(&recipe.conditions);
        let image = &built.image;
        let answer = scan(&recipe, image, recipe.unit);
        let model = model::scanners::scan(format, image, recipe.unit);
        let kind = answer.map_err(ScanErrorKind::from);
        assert_eq!(kind, model, "{answer:?}: {}", recipe.in_words());
        if image.capacity() <= 1 << 20 {
            assert_eq!(
                model::scanners::scan(format, &flat(image)[..], recipe.unit),
                model
            );
        }
        *kinds.entry(kind.err()).or_default() += 1;
        with_data += u64::from(answer.is_ok_and(|summary| summary.allocated_bytes != 0));
        if let Err(error) = answer {
            *seen.entry(error.to_string()).or_default() += 1;
        }
    }
    println!("{seen:#?}\n{kinds:?}, {with_data} with data");
    for kind in [
        None,
        Some(ScanErrorKind::Corrupt),
        Some(ScanErrorKind::Unsupported),
        Some(ScanErrorKind::NotThisFormat),
    ] {
        let count = kinds.get(&kind).copied().unwrap_or_default();
        assert!(count > 100, "{kind:?}: {count}");
    }
    assert!(with_data > RECIPES / 5);
    assert!(seen.len() >= messages, "only {} messages", seen.len());
}

/// The image as plain bytes, which are no other image to the model.
fn flat(image: &SparseImage) -> Vec<u8> {
    let mut bytes = vec![0; image.capacity() as usize];
    image.read(0, &mut bytes);
    bytes
}

#[test]
fn qcow2_images_get_the_models_answer() {
    compare(ScanFormat::Qcow2, 33);
}

#[test]
fn vmdk_images_get_the_models_answer() {
    compare(ScanFormat::Vmdk, 28);
}

#[test]
fn vhd_images_get_the_models_answer() {
    compare(ScanFormat::Vhd, 20);
}

#[test]
fn vhdx_images_get_the_models_answer() {
    compare(ScanFormat::Vhdx, 39);
}
