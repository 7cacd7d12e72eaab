//! Soft shapes that the anatomy is built from. Only exactly rounded arithmetic (see the crate root).

/// Smooth step: 0 for `t <= 0`, 1 for `t >= 1`, with flat ends.
pub fn ramp(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Relative length of a ray through a rounded body at depth `t` (0..1) from its silhouette.
pub fn chord(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    (t * (2.0 - t)).sqrt()
}

/// Relative length of a ray through an ellipsoid where `q` is its quadratic form (1 on the edge).
pub fn dome(q: f32) -> f32 {
    (1.0 - q).max(0.0).sqrt()
}

/// A bell that reaches zero at distance 1: `q` is the squared distance.
pub fn bell(q: f32) -> f32 {
    let t = (1.0 - q).max(0.0);
    t * t
}

/// Quadratic form of an ellipse with half axes `a` along the unit direction `dir` and `b` across.
pub fn ellipse(x: f32, y: f32, centre: (f32, f32), dir: (f32, f32), a: f32, b: f32) -> f32 {
    let (dx, dy) = (x - centre.0, y - centre.1);
    let along = (dx * dir.0 + dy * dir.1) / a;
    let across = (dy * dir.0 - dx * dir.1) / b;
    along * along + across * across
}

/// Bone thickness (0..1) across a tube at relative offset `q` (1 on the edge): dense rim, light core.
pub fn tube(q: f32) -> f32 {
    (dome(q * q) - 0.42 * dome(q * q * 1.7)).max(0.0) * 1.7
}

/// The smaller of two distances, rounded where they are within about 20 mm of each other.
pub fn blend(a: f32, b: f32) -> f32 {
    0.5 * (a + b - ((a - b) * (a - b) + 260.0).sqrt())
}
