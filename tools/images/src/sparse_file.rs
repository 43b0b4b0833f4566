//! Writing an image that is in memory to a sparse file.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use sparse::SparseImage;

use super::shown;

/// Writes the image to a new file, in which what the image does not keep is a hole.
///
/// # Errors
/// When the file exists, or cannot be written; it is then removed again, unless it was there before.
pub fn write(image: &SparseImage, path: &Path) -> Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(|| shown(path))?;
    let written = || -> std::io::Result<()> {
        file.set_len(image.capacity())?;
        for (at, piece) in image.pieces(0, image.capacity()) {
            file.write_all_at(piece, at)?;
        }
        Ok(())
    };
    written().with_context(|| {
        let _ = std::fs::remove_file(path);
        format!("{} of {} bytes", shown(path), image.capacity())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_image_and_no_file_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let mut image = SparseImage::new(1 << 33);
        image.write((1 << 33) - 3, &[1, 2, 3, 4]);
        image.write(700, &[9]);
        write(&image, &path).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 1 << 33);
        let mut bytes = [0xee; 3];
        file.read_exact_at(&mut bytes, (1 << 33) - 3).unwrap();
        assert_eq!(bytes, [1, 2, 3]);
        file.read_exact_at(&mut bytes, 699).unwrap();
        assert_eq!(bytes, [0, 9, 0]);
        assert!(write(&image, &path).is_err());
        assert!(path.exists());
    }
}
