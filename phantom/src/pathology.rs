//! Disease in the lungs of a frontal film: how much air is left, and where the finding lies.

use crate::chest::Body;
use crate::noise::lattice;
use crate::shape::{bell, ellipse, ramp};
use crate::spec::{Pathology, Side};

/// What a disease does to the air at one place.
pub struct Change {
    /// Factor on the air of the lung.
    pub air: f32,
    /// Factor on the vessels.
    pub vessels: f32,
    /// Additional tissue (or, negative, missing tissue) in millimetres.
    pub tissue: f32,
}

/// The change at body position (x, y).
pub fn change(list: &[Pathology], body: &Body, x: f32, y: f32) -> Change {
    let mut out = Change { air: 1.0, vessels: 1.0, tissue: 0.0 };
    for disease in list {
        match *disease {
            Pathology::Opacity(side) => {
                let q = ellipse(x, y, centre(side), (0.5, 0.866), OPACITY.0, OPACITY.1);
                let ragged =
                    0.30 * lattice(x / 11.0, y / 11.0, body.seed ^ 7) + 0.16 * lattice(x / 4.5, y / 4.5, body.seed ^ 8);
                let filled = (bell(q * 0.8) * 1.25 + ragged * bell(q * 0.6)).clamp(0.0, 1.0);
                out.air *= 1.0 - 0.62 * filled;
                out.vessels *= 1.0 - 0.7 * filled;
            }
            Pathology::Effusion(side) if on(side, x) => {
                let lateral = x.abs() / 130.0;
                let level = body.diaphragm(64.0 * sign(side)) + 4.0 - 62.0 * lateral * lateral * lateral;
                let filled = ramp((y - level + 7.0) / 15.0);
                out.air *= 1.0 - 0.93 * filled;
                out.vessels *= 1.0 - filled;
            }
            Pathology::Pneumothorax(side) if on(side, x) => {
                let gap = 34.0 * (1.0 - ramp((y + 150.0) / 190.0));
                let inside = body.depth_in_lung(x, y) - gap;
                let free = 1.0 - ramp((inside + 0.8) / 1.6);
                out.vessels *= 1.0 - free;
                // Free air weighs nothing; the lung's own edge is a hairline of pleura.
                out.tissue -= 34.0 * free * ramp(gap / 12.0);
                out.tissue += 11.0 * bell(inside * inside / 1.4) * ramp(gap / 5.0);
            }
            _ => {}
        }
    }
    out
}

/// Half axes of the consolidation, mm.
const OPACITY: (f32, f32) = (38.0, 30.0);

/// Box of a finding in body millimetres (x0, y0, x1, y1); `None` where it has no one place.
pub fn place(disease: Pathology, body: &Body) -> Option<[f32; 4]> {
    match disease {
        Pathology::Opacity(side) => {
            let (x, y) = centre(side);
            Some([x - 27.0, y - 29.0, x + 27.0, y + 29.0])
        }
        Pathology::Effusion(side) => {
            let s = sign(side);
            let (inner, outer) = (60.0 * s, 137.0 * s);
            let base = body.diaphragm(64.0 * s);
            Some([inner.min(outer), base - 55.0, inner.max(outer), base + 40.0])
        }
        Pathology::Pneumothorax(side) => {
            let s = sign(side);
            let (inner, outer) = (38.0 * s, 125.0 * s);
            Some([inner.min(outer), -140.0, inner.max(outer), -30.0])
        }
        Pathology::Cardiomegaly => None,
    }
}

fn centre(side: Side) -> (f32, f32) {
    match side {
        Side::Right => (-82.0, 22.0),
        Side::Left => (88.0, -52.0),
    }
}

fn sign(side: Side) -> f32 {
    match side {
        Side::Right => -1.0,
        Side::Left => 1.0,
    }
}

fn on(side: Side, x: f32) -> bool {
    x * sign(side) > 0.0
}
