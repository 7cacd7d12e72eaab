//! Soft tissue and air of a frontal chest film: torso, lungs, diaphragm, heart, great vessels,
//! trachea. Lengths in millimetres from the middle of the film, x to the patient's left, y down.

use crate::noise::{Pcg, lattice};
use crate::shape::{bell, blend, chord, dome, ellipse, ramp};
use crate::spec::{Spec, View};

/// How one patient differs from the next.
#[derive(Debug, Clone)]
pub struct Body {
    /// Scale of the chest across and along.
    pub scale: (f32, f32),
    /// Where the middle of the chest lies on the film.
    pub shift: (f32, f32),
    /// Scale of the heart.
    pub heart: f32,
    /// Heights of the right and left diaphragm domes.
    pub domes: (f32, f32),
    /// Seed of the tissue texture.
    pub seed: u32,
    /// Depth of breast tissue, 0 for none.
    breast: f32,
    /// Half depth of the chest.
    depth: f32,
}

impl Body {
    /// The body of `spec`'s patient as positioned on this film.
    pub fn new(spec: &Spec, cardiomegaly: bool) -> Self {
        let mut rng = Pcg::new(&spec.patient.id);
        let mut heart = rng.between(0.94, 1.05);
        let mut lift = rng.between(-5.0, 5.0);
        if spec.view == View::Ap {
            heart *= 1.13;
            lift -= 14.0;
        }
        if cardiomegaly {
            heart *= 1.3;
        }
        let female = spec.patient.sex == "F";
        Self {
            scale: (rng.between(0.95, 1.04), rng.between(0.96, 1.05)),
            shift: (rng.between(-6.0, 6.0), rng.between(-2.0, 10.0)),
            heart,
            domes: (72.0 + lift, 84.0 + lift + rng.between(-3.0, 3.0)),
            seed: rng.next(),
            breast: if female { rng.between(16.0, 26.0) } else { 0.0 },
            depth: rng.between(98.0, 110.0),
        }
    }

    /// Film millimetres to body millimetres.
    pub fn inside(&self, x: f32, y: f32) -> (f32, f32) {
        ((x - self.shift.0) / self.scale.0, (y - self.shift.1) / self.scale.1)
    }

    /// Body millimetres to film millimetres.
    pub fn outside(&self, x: f32, y: f32) -> (f32, f32) {
        (x * self.scale.0 + self.shift.0, y * self.scale.1 + self.shift.1)
    }

    /// Length of tissue that a ray meets at (x, y), lungs counted as tissue.
    pub fn tissue(&self, x: f32, y: f32) -> f32 {
        let edge =
            60.0 + 185.0 * ramp((y + 196.0) / 62.0) - 84.0 * ramp((y + 112.0) / 95.0) + 6.0 * ramp((y - 60.0) / 80.0);
        let depth = 52.0 + (self.depth - 52.0) * ramp((y + 175.0) / 165.0) + 10.0 * ramp((y - 60.0) / 90.0);
        let torso = 2.0 * depth * dome((x / edge) * (x / edge));
        // The upper arm hangs away from the trunk, outside most films.
        let arm = 90.0 * dome(ellipse(x.abs(), y, (232.0, 40.0), (0.10, 0.995), 210.0, 34.0));
        torso.max(arm) + self.breast_tissue(x, y) + 5.0 * lattice(x / 55.0, y / 55.0, self.seed) * ramp(torso / 60.0)
    }

    fn breast_tissue(&self, x: f32, y: f32) -> f32 {
        if self.breast == 0.0 {
            return 0.0;
        }
        let q = ellipse(x.abs(), y, (82.0, 52.0), (0.17, 0.985), 66.0, 56.0);
        // Full below, fading upward: the lower fold is the edge that is seen.
        self.breast * dome(q) * (0.35 + 0.65 * ramp((y + 15.0) / 85.0))
    }

    /// Half width of the rib cage's inside at height y.
    pub fn cage(&self, y: f32) -> f32 {
        96.0 + 41.0 * ramp((y + 135.0) / 215.0)
    }

    /// Distance from the lung's outer edge, positive inside; apex and side wall together.
    pub fn depth_in_lung(&self, x: f32, y: f32) -> f32 {
        let a = x.abs();
        let side = self.cage(y) - a;
        let from_apex = (a - 56.0) / 52.0;
        let apex = (y + 141.0 - 34.0 * from_apex * from_apex) * 0.75;
        blend(side, apex)
    }

    /// Height of the diaphragm at x.
    pub fn diaphragm(&self, x: f32) -> f32 {
        let (top, centre) = if x < 0.0 { (self.domes.0, -64.0) } else { (self.domes.1, 70.0) };
        let out = x.abs() - f32::abs(centre);
        if out > 0.0 {
            let u = out / 68.0;
            top + 17.0 * u * u + 22.0 * u * u * u * u
        } else {
            let u = out / 64.0;
            top + 13.0 * u * u
        }
    }

    /// Share (0..1) of the chest's depth at (x, y) that heart, vessels and mediastinum fill.
    pub fn mediastinum(&self, x: f32, y: f32) -> f32 {
        let h = self.heart;
        let cy = self.domes.1 - 38.0;
        let column_half = 27.0 + 7.0 * ramp((-70.0 - y) / 60.0) + 3.0 * ramp((y + 20.0) / 60.0);
        let column = 1.05 * dome((x + 1.0) * (x + 1.0) / (column_half * column_half));
        let low = cy + 9.0;
        let ventricle = 0.97 * dome(ellipse(x, y, (15.0 * h, low), (0.88, 0.475), 66.0 * h, 45.0 * h));
        let base = 0.8 * dome(ellipse(x, y, (8.0 * h, low - 22.0), (0.6, 0.8), 50.0 * h, 32.0 * h));
        let atrium = 0.86 * dome(ellipse(x, y, (-12.0, low), (-0.18, 0.984), 46.0 * h, 30.0 * h));
        let knob = 0.62 * dome(ellipse(x, y, (14.0, -68.0), (0.5, 0.866), 23.0, 20.0));
        let aorta = 0.30 * dome(ellipse(x, y, (16.0, 0.0), (-0.05, 0.999), 78.0, 13.0));
        let trunk = 0.55 * dome(ellipse(x, y, (16.0, -30.0), (0.42, 0.907), 34.0, 18.0));
        let cava = 0.42 * dome(ellipse(x, y, (-15.0, -62.0), (0.05, 0.999), 84.0, 18.0));
        // Overlapping organs let the light of both through: shares multiply, edges stay soft.
        let clear = [column.min(1.0), ventricle, base, atrium, knob, aorta, trunk, cava];
        1.0 - clear.iter().fold(1.0, |left, share| left * (1.0 - share))
    }

    /// Length of air that a ray meets in the lungs at (x, y), without any disease.
    pub fn air(&self, x: f32, y: f32) -> f32 {
        let inside = self.depth_in_lung(x, y);
        if inside <= 0.0 {
            return 0.0;
        }
        let hull = 168.0 * chord(inside / 78.0) * (0.66 + 0.34 * ramp((y + 140.0) / 170.0));
        let below = y - self.diaphragm(x);
        // Above the dome all is air; behind it the lung's recess still reaches down a little.
        let above = 1.0 - ramp((below + 3.0) / 6.0);
        let recess = 0.13 * (1.0 - ramp(below / 46.0));
        let grain = 1.0
            + 0.035 * lattice(x / 9.0, y / 9.0, self.seed ^ 1)
            + 0.03 * lattice(x / 3.6, y / 3.6, self.seed ^ 2)
            + 0.04 * lattice(x / 40.0, y / 40.0, self.seed ^ 3);
        hull * above.max(recess) * (1.0 - self.mediastinum(x, y)).max(0.0) * grain
    }

    /// Length of air in windpipe, main bronchi and stomach at (x, y).
    pub fn airways(&self, x: f32, y: f32) -> f32 {
        let bend = -3.0 * ramp((y + 110.0) / 50.0);
        let half = 8.5;
        let off = (x - bend) / half;
        let pipe = 30.0 * dome(off * off) * (1.0 - ramp((y + 58.0) / 10.0));
        let right = 22.0 * dome(ellipse(x, y, (-18.0, -42.0), (-0.62, 0.785), 25.0, 6.5));
        let left = 20.0 * dome(ellipse(x, y, (17.0, -44.0), (0.86, 0.51), 27.0, 5.5));
        let bubble_q = ellipse(x, y, (62.0, self.domes.1 + 32.0), (0.96, 0.28), 30.0, 15.0);
        pipe.max(right).max(left) + 40.0 * bell(bubble_q) + 14.0 * dome(bubble_q)
    }
}
