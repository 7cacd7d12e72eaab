//! Charts on the unit square, for evaluation: ROC curves, calibration curves.
//!
//! Drawn with the letters and lines of the Secondary Capture; equal input gives equal pixels.

use crate::result::canvas::{Canvas, Font, Rgb};

const SIDE: u32 = 640;
const LEFT: u32 = 72;
const TOP: u32 = 84;
const RIGHT: u32 = 28;
const LEGEND_ROW: u32 = 26;
const WHITE: Rgb = [255, 255, 255];
const INK: Rgb = [28, 32, 38];
const DIM: Rgb = [110, 118, 128];
const GRID: Rgb = [222, 226, 231];

/// Told apart on white also by most colour-blind readers (Okabe and Ito).
const PALETTE: [Rgb; 7] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [150, 110, 0], [86, 180, 233], [60, 60, 60]];

/// A picture: three bytes for each pixel, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The pixels.
    pub rgb: Vec<u8>,
}

/// One line of a chart.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// Its line in the legend.
    pub name: String,
    /// From left to right, both coordinates from 0 to 1.
    pub points: Vec<[f64; 2]>,
    /// Points to mark with a ring.
    pub marks: Vec<[f64; 2]>,
}

/// A chart of curves over the unit square with its diagonal.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Heading.
    pub title: String,
    /// Below the heading.
    pub note: String,
    /// What the horizontal axis shows.
    pub across: String,
    /// What the vertical axis shows.
    pub up: String,
    /// The curves; more than there are colours begin again with the first.
    pub curves: Vec<Curve>,
}

impl Chart {
    /// Draws it.
    #[must_use]
    pub fn draw(&self) -> Drawn {
        let legend = TOP + SIDE + 66;
        let (width, height) = (LEFT + SIDE + RIGHT, legend + LEGEND_ROW * self.curves.len() as u32 + 12);
        let Some(mut canvas) = Canvas::new(width, height, WHITE) else {
            return Drawn { width: 0, height: 0, rgb: Vec::new() };
        };
        canvas.text(LEFT, 10, &Self::fitting(&self.title, Font::TITLE), Font::TITLE, INK);
        canvas.text(LEFT, 38, &Self::fitting(&self.note, Font::SMALL), Font::SMALL, DIM);
        canvas.text(LEFT, TOP - 24, &Self::fitting(&self.up, Font::SMALL_BOLD), Font::SMALL_BOLD, INK);
        let across = Self::fitting(&self.across, Font::SMALL_BOLD);
        let right = LEFT + SIDE - Font::SMALL_BOLD.width(&across).min(SIDE);
        canvas.text(right, TOP + SIDE + 30, &across, Font::SMALL_BOLD, INK);
        Self::axes(&mut canvas);
        for (n, curve) in self.curves.iter().enumerate() {
            let color = PALETTE[n % PALETTE.len()];
            let points: Vec<[f32; 2]> = curve.points.iter().map(|p| place(*p)).collect();
            canvas.line(&points, 2.5, color, 255);
            for mark in &curve.marks {
                ring(&mut canvas, place(*mark), color);
            }
            let y = legend + LEGEND_ROW * n as u32;
            let middle = y as f32 + 9.0;
            canvas.line(&[[LEFT as f32, middle], [LEFT as f32 + 34.0, middle]], 3.0, color, 255);
            canvas.text(LEFT + 46, y, &Self::fitting(&curve.name, Font::SMALL), Font::SMALL, INK);
        }
        Drawn { width, height, rgb: canvas.rgb() }
    }

    fn axes(canvas: &mut Canvas) {
        for n in 0..=10_u32 {
            let at = f64::from(n) / 10.0;
            let color = if n % 10 == 0 { DIM } else { GRID };
            canvas.line(&[place([at, 0.0]), place([at, 1.0])], 1.0, color, 255);
            canvas.line(&[place([0.0, at]), place([1.0, at])], 1.0, color, 255);
            if n % 2 == 0 {
                let text = format!("{at:.1}");
                let half = Font::SMALL.width(&text) / 2;
                let [x, y] = place([at, at]);
                canvas.text(x as u32 - half, TOP + SIDE + 8, &text, Font::SMALL, DIM);
                canvas.text(LEFT - 2 * half - 10, y as u32 - 8, &text, Font::SMALL, DIM);
            }
        }
        canvas.line(&[place([0.0, 0.0]), place([1.0, 1.0])], 1.0, DIM, 160);
    }

    /// As much of a text as has room.
    fn fitting(text: &str, font: Font) -> String {
        let most = (SIDE - 46) / font.width("0").max(1);
        if text.chars().count() <= most as usize {
            return text.to_owned();
        }
        text.chars().take(most as usize - 3).chain("...".chars()).collect()
    }
}

fn place([x, y]: [f64; 2]) -> [f32; 2] {
    let side = f64::from(SIDE);
    let inside = |v: f64| v.clamp(0.0, 1.0) * side;
    [(f64::from(LEFT) + inside(x)) as f32, (f64::from(TOP) + side - inside(y)) as f32]
}

fn ring(canvas: &mut Canvas, [x, y]: [f32; 2], color: Rgb) {
    let points: Vec<[f32; 2]> = (0..=16)
        .map(|n| {
            let angle = n as f32 / 16.0 * std::f32::consts::TAU;
            [x + 6.0 * angle.cos(), y + 6.0 * angle.sin()]
        })
        .collect();
    canvas.line(&points, 2.5, color, 255);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn color_at(drawn: &Drawn, [x, y]: [f64; 2]) -> [u8; 3] {
        let [px, py] = place([x, y]);
        let at = (py as usize * drawn.width as usize + px as usize) * 3;
        [drawn.rgb[at], drawn.rgb[at + 1], drawn.rgb[at + 2]]
    }

    #[test]
    fn a_curve_goes_through_its_points_and_nothing_leaves_the_picture() {
        let curve = |name: &str, points: &[[f64; 2]]| Curve {
            name: name.to_owned(),
            points: points.to_vec(),
            marks: vec![[0.25, 0.85]],
        };
        let chart = Chart {
            title: "W".repeat(200),
            note: "note".into(),
            across: "1 - specificity".into(),
            up: "sensitivity".into(),
            curves: vec![
                curve("one", &[[0.0, 0.0], [0.15, 0.85], [1.0, 1.0]]),
                curve("beyond", &[[-3.0, 0.35], [7.0, 0.35]]),
            ],
        };
        let drawn = chart.draw();
        assert_eq!(drawn.rgb.len(), (drawn.width * drawn.height * 3) as usize);
        assert_eq!(color_at(&drawn, [0.15, 0.85]), PALETTE[0]);
        assert_eq!(color_at(&drawn, [0.85, 0.35]), PALETTE[1], "cut at the border");
        assert_eq!(color_at(&drawn, [0.35, 0.65]), WHITE);
        assert_eq!(drawn, chart.draw());
        assert!(Chart::default().draw().height > SIDE);
    }
}
