//! The picture of a Secondary Capture: the film with contours and labels, a legend with every
//! label's probability and operating point, and the notice. No patient data is drawn.

use super::Language;
use super::canvas::{Canvas, Font, Rgb, resize};
use super::palette::Colors;
use crate::evidence::Picture;
use crate::finding::{Finding, ImageFindings};

/// The longer side of the picture.
const LONG_SIDE: u32 = 1280;
const PANEL_WIDTH: u32 = 416;
const NOTICE_HEIGHT: u32 = 40;
const ROW_HEIGHT: u32 = 40;
const HEADER_HEIGHT: u32 = 144;
const MARGIN: u32 = 20;

const BACKGROUND: Rgb = [0, 0, 0];
const PANEL: Rgb = [18, 22, 28];
const RULE: Rgb = [58, 66, 78];
const BRIGHT: Rgb = [240, 243, 246];
const DIM: Rgb = [150, 160, 172];
const NOTICE_BACK: Rgb = [70, 44, 0];
const NOTICE_TEXT: Rgb = [255, 205, 90];

/// A finished picture.
pub(super) struct Rendered {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Three bytes for each pixel, row by row.
    pub(super) rgb: Vec<u8>,
}

/// What the header of the legend says beside the model.
pub(super) struct Caption {
    pub(super) when: String,
}

struct Layout {
    width: u32,
    height: u32,
    /// Left, top, width, height.
    film: [u32; 4],
    panel: [u32; 4],
    /// Columns of the legend.
    columns: u32,
}

/// Draws it. `columns` and `rows` are the film's own size, in which the contours are given.
pub(super) fn draw(
    picture: &Picture,
    (columns, rows): (u32, u32),
    findings: &ImageFindings,
    colors: &Colors<'_>,
    language: Language,
    caption: &Caption,
) -> Option<Rendered> {
    if picture.width == 0 || picture.height == 0 || picture.gray.len() != (picture.width * picture.height) as usize {
        return None;
    }
    let layout = layout(picture, findings.findings.len() as u32);
    let mut canvas = Canvas::new(layout.width, layout.height, BACKGROUND)?;
    let [left, top, width, height] = layout.film;
    canvas.gray(left, top, width, &resize(&picture.gray, (picture.width, picture.height), (width, height)));

    let order = legend_order(findings, colors);
    let scale = [width as f32 / columns.max(1) as f32, height as f32 / rows.max(1) as f32];
    let place = |p: [f32; 2]| [left as f32 + p[0] * scale[0], top as f32 + p[1] * scale[1]];
    let mut labels = Vec::new();
    for (finding, color) in &order {
        for tracked in &finding.regions {
            let points: Vec<[f32; 2]> = tracked.region.contour.iter().map(|p| place(*p)).collect();
            canvas.line(&points, 6.0, BACKGROUND, 150);
            canvas.line(&points, 2.5, *color, 255);
            labels.push((points, language.finding_percent(finding), *color));
        }
    }
    let mut taken = Vec::new();
    for (points, text, color) in &labels {
        label(&mut canvas, layout.film, points, text, *color, &mut taken);
    }
    panel(&mut canvas, &layout, findings, &order, language, caption);
    notice(&mut canvas, language);
    Some(Rendered { width: canvas.width(), height: canvas.height(), rgb: canvas.rgb() })
}

/// The legend beside the film, or below it where a wide film gains much by that.
fn layout(picture: &Picture, labels: u32) -> Layout {
    let fit = |width: u32, height: u32| {
        let (w, h) = (u64::from(picture.width), u64::from(picture.height));
        let by_width = (u64::from(width), (u64::from(width) * h / w).max(1));
        let by_height = ((u64::from(height) * w / h).max(1), u64::from(height));
        let (w, h) = if by_width.1 <= u64::from(height) { by_width } else { by_height };
        (w as u32, h as u32)
    };
    let beside_rows = HEADER_HEIGHT + labels * ROW_HEIGHT + 2 * MARGIN + NOTICE_HEIGHT;
    let beside = fit(LONG_SIDE - PANEL_WIDTH, LONG_SIDE - NOTICE_HEIGHT);
    let below_rows = HEADER_HEIGHT + labels.div_ceil(3) * ROW_HEIGHT + MARGIN;
    let below = fit(LONG_SIDE, LONG_SIDE.saturating_sub(below_rows + NOTICE_HEIGHT).max(64));
    if below.0 > beside.0 + beside.0 / 8 {
        let height = below.1 + below_rows + NOTICE_HEIGHT;
        Layout {
            width: LONG_SIDE,
            height,
            film: [(LONG_SIDE - below.0) / 2, 0, below.0, below.1],
            panel: [0, below.1, LONG_SIDE, below_rows],
            columns: 3,
        }
    } else {
        let height = (beside.1 + NOTICE_HEIGHT).max(beside_rows).min(LONG_SIDE);
        let room = height - NOTICE_HEIGHT;
        Layout {
            width: beside.0 + PANEL_WIDTH,
            height,
            film: [0, (room - beside.1.min(room)) / 2, beside.0, beside.1],
            panel: [beside.0, 0, PANEL_WIDTH, room],
            columns: 1,
        }
    }
}

/// Present findings first, then by probability; each present finding has a colour.
fn legend_order<'a>(findings: &'a ImageFindings, colors: &Colors<'_>) -> Vec<(&'a Finding, Rgb)> {
    let mut order: Vec<&Finding> = findings.findings.iter().collect();
    order.sort_by(|a, b| b.present.cmp(&a.present).then(b.probability.total_cmp(&a.probability)));
    order.into_iter().map(|finding| (finding, colors.get(finding).map_or(DIM, |tint| tint.rgb))).collect()
}

fn percent(value: f32) -> String {
    format!("{:.1}%", f64::from(value) * 100.0)
}

/// Writes a label above its contour, or at the next free place around it.
fn label(canvas: &mut Canvas, film: [u32; 4], points: &[[f32; 2]], text: &str, color: Rgb, taken: &mut Vec<[f32; 4]>) {
    let font = Font::BOLD;
    let (width, height) = (font.width(text) as f32 + 12.0, 26.0);
    let bounds = |axis: usize| {
        let values = points.iter().map(|p| p[axis]);
        (values.clone().fold(f32::MAX, f32::min), values.fold(f32::MIN, f32::max))
    };
    let ((x0, x1), (y0, y1)) = (bounds(0), bounds(1));
    let [left, top, right, bottom] =
        [film[0] as f32, film[1] as f32, (film[0] + film[2]) as f32, (film[1] + film[3]) as f32];
    let center = (x0 + x1 - width) / 2.0;
    let inside = |x: f32, y: f32| {
        let x = x.min(right - width - 4.0).max(left + 4.0).round();
        let y = y.min(bottom - height - 4.0).max(top + 4.0).round();
        [x, y, x + width, y + height]
    };
    let mut places = vec![
        inside(center, y0 - height - 6.0),
        inside(center, y1 + 6.0),
        inside(x1 + 6.0, (y0 + y1 - height) / 2.0),
        inside(x0 - width - 6.0, (y0 + y1 - height) / 2.0),
    ];
    places.extend((0..40).map(|n| inside(center, y1 + 6.0 + n as f32 * (height + 2.0))));
    places.extend((0..40).map(|n| inside(center, y0 - 6.0 - n as f32 * (height + 2.0))));
    let free = |b: &&[f32; 4]| taken.iter().all(|a| a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1]);
    let chosen = *places.iter().find(free).unwrap_or(&places[0]);
    taken.push(chosen);
    canvas.rect(chosen[0], chosen[1], width, height, BACKGROUND, 190);
    canvas.rect(chosen[0], chosen[1], 3.0, height, color, 255);
    canvas.text(chosen[0] as u32 + 8, chosen[1] as u32 + 3, text, font, color);
}

fn panel(
    canvas: &mut Canvas,
    layout: &Layout,
    findings: &ImageFindings,
    order: &[(&Finding, Rgb)],
    language: Language,
    caption: &Caption,
) {
    let [left, top, width, height] = layout.panel;
    canvas.rect(left as f32, top as f32, width as f32, height as f32, PANEL, 255);
    let column = width / layout.columns;
    let (x, inner) = (left + MARGIN, column - 2 * MARGIN);
    let none = !order.iter().any(|(finding, _)| finding.present);

    let mut y = top + 14;
    let name = canvas.text(x, y, "Centinela", Font::TITLE, BRIGHT);
    canvas.text(x + name + 12, y + 6, language.subtitle(), Font::SMALL, DIM);
    let model = shorten(&format!("{} {}", findings.model.title, findings.model.version), Font::SMALL, inner);
    let (status_x, status_y) = if layout.columns == 1 {
        canvas.text(x, y + 30, &model, Font::SMALL, DIM);
        canvas.text(x, y + 50, &caption.when, Font::SMALL, DIM);
        (x, y + 72)
    } else {
        canvas.text(x, y + 34, &model, Font::SMALL, DIM);
        canvas.text(x, y + 56, &caption.when, Font::SMALL, DIM);
        (x + column, y)
    };
    if none {
        canvas.text(status_x, status_y, language.no_finding(), Font::BOLD, BRIGHT);
        if layout.columns > 1 {
            canvas.text(status_x, status_y + 30, language.no_finding_hint(), Font::SMALL, DIM);
        }
    }
    y = top + HEADER_HEIGHT;
    let rows = (order.len() as u32).div_ceil(layout.columns).max(1);
    for n in 0..(order.len() as u32).div_ceil(rows) {
        headings(canvas, x + n * column, y - 24, inner, language);
    }
    let bottom = top + height;
    for (n, (finding, color)) in order.iter().enumerate() {
        let (column_n, row) = (n as u32 / rows, n as u32 % rows);
        let at = y + row * ROW_HEIGHT;
        if at + ROW_HEIGHT <= bottom {
            legend_row(canvas, (x + column_n * column, at), inner, finding, *color, language);
        }
    }
    let hint_y = y + rows * ROW_HEIGHT + 4;
    if none && layout.columns == 1 && hint_y + 20 <= bottom {
        canvas.text(x, hint_y, &shorten(language.no_finding_hint(), Font::SMALL, inner), Font::SMALL, DIM);
    }
}

/// Left edges of the probability and the operating point, from the right edge of the column.
const PROBABILITY_FROM_RIGHT: u32 = 74;

fn headings(canvas: &mut Canvas, x: u32, y: u32, inner: u32, language: Language) {
    let right = x + inner;
    let font = Font::SMALL_BOLD;
    canvas.text(x, y, language.heading_finding(), font, DIM);
    let (p, t) = (language.heading_probability(), language.heading_threshold());
    canvas.text(right - PROBABILITY_FROM_RIGHT - font.width(p), y, p, font, DIM);
    canvas.text(right - font.width(t), y, t, font, DIM);
    canvas.rect(x as f32, y as f32 + 20.0, inner as f32, 1.0, RULE, 255);
}

/// Name, probability, operating point, and a bar with the operating point as a mark.
fn legend_row(canvas: &mut Canvas, (x, y): (u32, u32), inner: u32, finding: &Finding, color: Rgb, language: Language) {
    let right = x + inner;
    let (font, ink) = if finding.present { (Font::BOLD, BRIGHT) } else { (Font::NORMAL, DIM) };
    let small = Font::SMALL;
    let (p, t) = (percent(finding.probability), percent(finding.threshold));
    let room = inner - PROBABILITY_FROM_RIGHT - font.width("100.0%") - 8;
    let name = language.finding_name(&finding.code);
    let (name, name_font) = match font.width(name) <= room {
        true => (name.to_owned(), font),
        false => {
            let narrow = Font { height: 16, ..font };
            (shorten(name, narrow, room), narrow)
        }
    };
    let drop = if name_font.height < 20 { 7 } else { 4 };
    canvas.text(x, y + drop, &name, name_font, if finding.present { color } else { DIM });
    canvas.text(right - PROBABILITY_FROM_RIGHT - font.width(&p), y + 4, &p, font, ink);
    canvas.text(right - small.width(&t), y + 7, &t, small, DIM);
    let (bar_y, length) = (y as f32 + 28.0, inner as f32);
    canvas.rect(x as f32, bar_y, length, 5.0, RULE, 255);
    let filled = (finding.probability.clamp(0.0, 1.0) * length).round();
    canvas.rect(x as f32, bar_y, filled.max(1.0), 5.0, color, 255);
    let mark = x as f32 + (finding.threshold.clamp(0.0, 1.0) * length).round();
    canvas.rect(mark - 1.0, bar_y - 3.0, 2.0, 11.0, BRIGHT, 255);
}

/// The notice over the whole width, at the bottom.
fn notice(canvas: &mut Canvas, language: Language) {
    let (width, top) = (canvas.width(), canvas.height().saturating_sub(NOTICE_HEIGHT));
    canvas.rect(0.0, top as f32, width as f32, NOTICE_HEIGHT as f32, NOTICE_BACK, 255);
    let text = language.notice();
    let sign_room = 34;
    let font = [Font::BOLD, Font::NORMAL, Font::SMALL]
        .into_iter()
        .find(|font| font.width(text) + sign_room + 2 * 10 <= width)
        .unwrap_or(Font::SMALL);
    let x = width.saturating_sub(font.width(text) + sign_room) / 2;
    let (sx, sy) = (x as f32, top as f32 + 8.0);
    canvas.triangle([[sx + 12.0, sy], [sx + 24.0, sy + 22.0], [sx, sy + 22.0]], NOTICE_TEXT);
    canvas.rect(sx + 11.0, sy + 8.0, 2.0, 7.0, NOTICE_BACK, 255);
    canvas.rect(sx + 11.0, sy + 17.0, 2.0, 2.0, NOTICE_BACK, 255);
    canvas.text(x + sign_room, top + (NOTICE_HEIGHT - font.height) / 2, text, font, NOTICE_TEXT);
}

/// Cuts a text to a width, with dots where something is missing.
fn shorten(text: &str, font: Font, width: u32) -> String {
    if font.width(text) <= width {
        return text.to_owned();
    }
    let keep = (width / font.width("x").max(1)).saturating_sub(2) as usize;
    format!("{}..", text.chars().take(keep).collect::<String>().trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> Picture {
        Picture { width, height, gray: vec![90; (width * height) as usize] }
    }

    #[test]
    fn the_layout_stays_within_the_long_side_for_every_shape() {
        for (w, h) in [(1024, 1280), (1280, 1024), (1280, 400), (300, 1280), (64, 64), (1280, 1)] {
            for labels in [1, 7, 18, 40] {
                let l = layout(&picture(w, h), labels);
                assert!(l.width <= LONG_SIDE && l.height <= LONG_SIDE, "{w}x{h} {labels}: {}x{}", l.width, l.height);
                assert!(l.film[0] + l.film[2] <= l.width && l.film[1] + l.film[3] <= l.height);
                assert!(l.panel[0] + l.panel[2] <= l.width && l.panel[1] + l.panel[3] <= l.height);
                let shape = f64::from(l.film[2]) / f64::from(l.film[3]);
                assert!(h == 1 || (shape / (f64::from(w) / f64::from(h)) - 1.0).abs() < 0.02, "{w}x{h}: {:?}", l.film);
            }
        }
    }

    #[test]
    fn long_texts_are_cut_with_dots() {
        assert_eq!(shorten("short", Font::SMALL, 400), "short");
        let cut = shorten("a very long name of a finding", Font::SMALL, 100);
        assert!(cut.ends_with("..") && Font::SMALL.width(&cut) <= 100, "{cut}");
    }
}
