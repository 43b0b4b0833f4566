//! The output of `qemu-img map`.

use serde_json::Value;

use crate::extents;

/// One extent of a map.
#[derive(Debug, Clone)]
pub struct MapExtent {
    /// Where it begins on the virtual disk, in bytes.
    pub start: u64,
    /// In bytes.
    pub length: u64,
    /// Whether it is data, and of this image: not of a backing file.
    pub data: bool,
    /// Whether it reads as zeroes.
    pub zero: bool,
    /// Whether it is stored compressed; qemu-img 7.2 does not show it.
    pub compressed: Option<bool>,
}

/// An image's extents; those of backing files are holes.
#[derive(Debug, Clone)]
pub struct Map(Vec<MapExtent>);

impl Map {
    /// Reads what `qemu-img map --output json` prints.
    #[must_use]
    pub fn parse(json: &str) -> Self {
        let extents: Value = serde_json::from_str(json).expect("map prints JSON");
        let extents = extents.as_array().expect("map prints a list");
        let extent = |extent: &Value| MapExtent {
            start: extent["start"].as_u64().expect("start"),
            length: extent["length"].as_u64().expect("length"),
            data: extent["data"].as_bool().expect("data")
                && extent["depth"].as_u64().expect("depth") == 0,
            zero: extent["zero"].as_bool().expect("zero"),
            compressed: extent["compressed"].as_bool(),
        };
        Self(extents.iter().map(extent).collect())
    }

    /// The virtual disk's size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.iter().map(|extent| extent.length).sum()
    }

    /// The extents that are data of this image, in ascending order.
    pub fn data(&self) -> impl Iterator<Item = &MapExtent> {
        self.0.iter().filter(|extent| extent.data)
    }

    /// How many bytes are data of this image.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.data().map(|extent| extent.length).sum()
    }

    /// How many units of `unit` bytes the data touches.
    #[must_use]
    pub fn touched(&self, unit: u64) -> u64 {
        let data = self.data().map(|extent| (extent.start, extent.length));
        extents::touched(data, unit)
    }
}

#[cfg(test)]
mod tests {
    use super::Map;

    #[test]
    fn data_of_backing_files_is_a_hole() {
        let map = Map::parse(
            r#"[{"start": 0, "length": 4096, "depth": 0, "present": true, "zero": false,
                 "data": true, "compressed": false, "offset": 327680},
                {"start": 4096, "length": 512, "depth": 0, "present": true, "zero": true,
                 "data": true, "compressed": true},
                {"start": 4608, "length": 1000, "depth": 1, "present": true, "zero": false,
                 "data": true, "compressed": false, "offset": 4096}]"#,
        );
        assert_eq!(
            (map.size(), map.bytes(), map.touched(1024)),
            (5608, 4608, 5)
        );
        let flags: Vec<_> = map.data().map(|it| (it.zero, it.compressed)).collect();
        assert_eq!(flags, [(false, Some(false)), (true, Some(true))]);
    }
}
