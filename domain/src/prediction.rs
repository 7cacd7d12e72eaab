//! What a model says of one image, before it becomes findings.

use serde::{Deserialize, Serialize};

/// Which model said it: enough to repeat the inference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    /// Package name, for example `cxr-demo`.
    pub name: String,
    /// Package version.
    pub version: String,
    /// Human title of the model, as it goes to Algorithm Name (111001, DCM).
    pub title: String,
    /// Who made it, for Algorithm Manufacturer (122405, DCM).
    pub manufacturer: String,
    /// SHA-256 of the weights, lower-case hex.
    pub weights_sha256: String,
    /// Side of the square input in pixels.
    pub input_size: u32,
}

/// A closed contour on the original pixel grid.
///
/// `[x, y]`: column first; 0, 0 is the top-left corner of the top-left pixel and the limit is
/// Columns, Rows. The first point is repeated last. Values are rounded to 0.1 pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// The points, at least four with the closing one, at most 201.
    pub contour: Vec<[f32; 2]>,
}

/// One label's score on one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelScore {
    /// The label, a name of `domain/data/findings.toml`.
    pub label: String,
    /// Calibrated probability, 0 to 1.
    pub probability: f32,
    /// The operating point from the manifest, 0 to 1.
    pub threshold: f32,
    /// Where the model looked, largest first; empty below the threshold.
    pub regions: Vec<Region>,
}

/// All scores of one image, in the manifest's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The model.
    pub model: ModelRef,
    /// One score for each label of the model.
    pub scores: Vec<LabelScore>,
    /// Where it looked for the strongest present label. Versions before heat maps kept none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<HeatMap>,
}

/// Where the model looked for one label: its class activation map, a coarse grid over a part of the film.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// The label.
    pub label: String,
    /// Columns of the grid.
    pub columns: u32,
    /// Rows of the grid.
    pub rows: u32,
    /// `columns * rows` shares of the largest activation, 0 to 1, row by row, rounded to 0.001.
    pub values: Vec<f32>,
    /// Left, top, right and bottom of the grid in pixels of the film, outside of which it may lie.
    pub area: [f32; 4],
}

impl HeatMap {
    /// Of activations, of which those below zero spoke against the label; `None` where none is above, or
    /// where they are no grid.
    #[must_use]
    pub fn new(label: &str, activations: &[f32], (columns, rows): (u32, u32), area: [f32; 4]) -> Option<Self> {
        let most = activations.iter().copied().fold(0.0_f32, f32::max);
        let whole = activations.len() as u64 == u64::from(columns) * u64::from(rows);
        let flat = area[2] <= area[0] || area[3] <= area[1];
        if most <= 0.0 || !most.is_finite() || !whole || flat {
            return None;
        }
        let values = activations.iter().map(|v| (v.max(0.0) / most * 1000.0).round() / 1000.0).collect();
        Some(Self { label: label.to_owned(), columns, rows, values, area })
    }

    /// The share at a point of the film: between the middles of the cells in a straight line, beyond the
    /// outermost as there, and 0 outside the grid.
    #[must_use]
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let [left, top, right, bottom] = self.area;
        if !(left..=right).contains(&x) || !(top..=bottom).contains(&y) {
            return 0.0;
        }
        let place = |at: f32, from: f32, to: f32, cells: u32| {
            let last = cells.saturating_sub(1) as f32;
            let at = ((at - from) / (to - from) * cells as f32 - 0.5).clamp(0.0, last);
            let low = at.floor();
            (low as usize, (low + 1.0).min(last) as usize, at - low)
        };
        let (x0, x1, tx) = place(x, left, right, self.columns);
        let (y0, y1, ty) = place(y, top, bottom, self.rows);
        let value = |x: usize, y: usize| self.values.get(y * self.columns as usize + x).copied().unwrap_or(0.0);
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        mix(mix(value(x0, y0), value(x1, y0), tx), mix(value(x0, y1), value(x1, y1), tx), ty)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_heat_map_is_a_share_of_its_largest_value_and_lies_where_it_should() {
        let map = HeatMap::new("Mass", &[-3.0, 1.0, 4.0, 2.0], (2, 2), [10.0, 20.0, 30.0, 60.0]).unwrap();
        assert_eq!(map.values, [0.0, 0.25, 1.0, 0.5]);
        // The middles of the cells, column first.
        for (x, y, want) in [(15.0, 30.0, 0.0), (25.0, 30.0, 0.25), (15.0, 50.0, 1.0), (25.0, 50.0, 0.5)] {
            assert!((map.at(x, y) - want).abs() < 1e-6, "{x}, {y}: {}", map.at(x, y));
        }
        assert!((map.at(20.0, 40.0) - 0.4375).abs() < 1e-6, "the middle of all four");
        assert!((map.at(11.0, 59.0) - 1.0).abs() < 1e-6, "continued to the edge");
        for (x, y) in [(9.0, 40.0), (31.0, 40.0), (20.0, 19.0), (20.0, 61.0), (f32::NAN, 40.0)] {
            assert_eq!(map.at(x, y), 0.0, "{x}, {y}");
        }
    }

    #[test]
    fn what_is_no_map_is_none() {
        let area = [0.0, 0.0, 9.0, 9.0];
        assert!(HeatMap::new("Mass", &[-1.0, 0.0], (2, 1), area).is_none(), "nothing spoke for it");
        assert!(HeatMap::new("Mass", &[1.0, f32::INFINITY], (2, 1), area).is_none());
        assert!(HeatMap::new("Mass", &[1.0; 3], (2, 1), area).is_none());
        assert!(HeatMap::new("Mass", &[1.0; 2], (2, 1), [5.0, 0.0, 5.0, 9.0]).is_none());
    }

    #[test]
    fn what_was_kept_before_there_were_maps_is_read() {
        let model = r#"{"name":"a","version":"1","title":"t","manufacturer":"m","weights_sha256":"00","input_size":8}"#;
        let old: Prediction = serde_json::from_str(&format!(r#"{{"model":{model},"scores":[]}}"#)).unwrap();
        assert_eq!(old.map, None);
        assert!(!serde_json::to_string(&old).unwrap().contains("map"));
        let map = HeatMap::new("Mass", &[0.3, 0.7], (2, 1), [0.0, 0.0, 9.5, 4.0]);
        let new = Prediction { map: map.clone(), ..old };
        let again: Prediction = serde_json::from_str(&serde_json::to_string(&new).unwrap()).unwrap();
        assert_eq!(again.map, map);
    }
}
