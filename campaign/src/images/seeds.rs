//! The seed corpus: real images made with qemu-img, and good calculator inputs.
