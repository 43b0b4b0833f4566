//! The output of `qemu-img map`.

use serde_json::Value;

/// What an image itself holds of its disk. Data of backing files is a hole.
#[derive(Debug, Clone)]
pub struct Map {
    size: u64,
    /// Offset and length in bytes, in ascending order.
    data: Vec<(u64, u64)>,
}

impl Map {
    /// Reads what `qemu-img map --output json` prints.
    #[must_use]
    pub fn parse(json: &str) -> Self {
        let extents: Value = serde_json::from_str(json).expect("map prints JSON");
        let mut map = Self {
            size: 0,
            data: Vec::new(),
        };
        for extent in extents.as_array().expect("map prints a list") {
            let number = |key: &str| extent[key].as_u64().expect("a number");
            let (start, length) = (number("start"), number("length"));
            assert_eq!(start, map.size, "extents that do not follow each other");
            map.size += length;
            if extent["data"].as_bool().expect("data") && number("depth") == 0 {
                map.data.push((start, length));
            }
        }
        map
    }

    /// The virtual disk's size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The data, as start and end in bytes; neighbours are one.
    #[must_use]
    pub fn extents(&self) -> Vec<(u64, u64)> {
        let mut extents: Vec<(u64, u64)> = Vec::new();
        for &(start, length) in &self.data {
            match extents.last_mut() {
                Some((_, end)) if *end == start => *end += length,
                _ => extents.push((start, start + length)),
            }
        }
        extents
    }

    /// How many bytes are data.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.data.iter().map(|(_, length)| length).sum()
    }

    /// How many units of `unit` bytes the data touches.
    #[must_use]
    pub fn touched(&self, unit: u64) -> u64 {
        let mut count = 0;
        let mut next_untouched = 0;
        for (start, end) in self.extents() {
            let past_last = end.div_ceil(unit);
            count += past_last - next_untouched.max(start / unit);
            next_untouched = past_last;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fastrand::Rng;

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
        assert_eq!(map.extents(), [(0, 4608)]);
    }

    #[test]
    fn touched_units_are_those_that_a_set_has() {
        let mut random = Rng::with_seed(1);
        for _ in 0..1000 {
            let mut data = vec![];
            let mut size = 0;
            for _ in 0..random.u64(..6) {
                size += random.u64(..100);
                let length = 1 + random.u64(..100);
                data.push((size, length));
                size += length;
            }
            let unit = 1 + random.u64(..64);
            let set: BTreeSet<u64> = data
                .iter()
                .flat_map(|&(start, length)| start / unit..=(start + length - 1) / unit)
                .collect();
            let map = Map { size, data };
            assert_eq!(map.touched(unit), set.len() as u64, "{map:?}, {unit}");
        }
    }
}
