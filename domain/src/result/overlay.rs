//! The picture of a Secondary Capture: the film with contours and labels, a legend with every
//! label's probability and operating point, and the notice. No patient data is drawn.

use super::Language;
use super::canvas::{Canvas, Font, Rgb, resize};
use super::heat;
use super::palette::Colors;
use super::sc::Film;
use crate::evidence::Picture;
use crate::finding::{Finding, ImageFindings};

/// The longer side of the picture.
const LONG_SIDE: u32 = 1280;
const PANEL_WIDTH: u32 = 416;
const NOTICE_HEIGHT: u32 = 40;
const ROW_HEIGHT: u32 = 40;
const HEADER_HEIGHT: u32 = 144;
const MARGIN: u32 = 20;
/// Room for what a heat map says, in rows of the legend.
const HEAT_ROWS: u32 = 3;

const BACKGROUND: Rgb = [0, 0, 0];
const PANEL: Rgb = [18, 22, 28];
const RULE: Rgb = [58, 66, 78];
const BRIGHT: Rgb = [240, 243, 246];
const DIM: Rgb = [150, 160, 172];
const NOTICE_BACK: Rgb = [70, 44, 0];
const NOTICE_TEXT: Rgb = [255, 205, 90];

/// What the header of the legend says beside the model, and in which language.
pub(super) struct Caption {
    pub(super) when: String,
    pub(super) language: Language,
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

impl Layout {
    /// Width of one column of the legend.
    const fn column(&self) -> u32 {
        self.panel[2] / self.columns
    }

    /// The same without its margins.
    const fn inner(&self) -> u32 {
        self.column() - 2 * MARGIN
    }
}

/// Draws it; `None` where there is nothing to draw on. `size` is that of the film itself, columns and rows,
/// in which the contours are given.
pub(super) fn draw(film: &Film<'_>, size: (u32, u32), colors: &Colors<'_>, caption: &Caption) -> Option<Canvas> {
    let (picture, findings, language) = (film.picture, film.findings, caption.language);
    if picture.width == 0 || picture.height == 0 || picture.gray.len() != (picture.width * picture.height) as usize {
        return None;
    }
    let rows = if film.heat.is_some() { HEAT_ROWS } else { findings.findings.len() as u32 };
    let layout = layout(picture, rows);
    let mut canvas = Canvas::new(layout.width, layout.height, BACKGROUND)?;
    let [left, top, width, height] = layout.film;
    canvas.gray(left, top, width, &resize(&picture.gray, (picture.width, picture.height), (width, height)));
    if let Some((_, map)) = film.heat {
        heat::blend(&mut canvas, layout.film, size, map);
    }

    let order = legend_order(findings, colors);
    let scale = [width as f32 / size.0.max(1) as f32, height as f32 / size.1.max(1) as f32];
    let place = |p: [f32; 2]| [left as f32 + p[0] * scale[0], top as f32 + p[1] * scale[1]];
    let mut labels = Vec::new();
    let shown = |finding: &Finding| film.heat.is_none_or(|(only, _)| only.code.label == finding.code.label);
    for (finding, color) in order.iter().filter(|(finding, _)| shown(finding)) {
        for tracked in &finding.regions {
            let points: Vec<[f32; 2]> = tracked.region.contour.iter().map(|p| place(*p)).collect();
            canvas.line(&points, 6.0, BACKGROUND, 150);
            canvas.line(&points, 2.5, *color, 255);
            labels.push((points, language.finding_percent(finding), *color));
        }
    }
    let boxes: Vec<[f32; 4]> = labels.iter().map(|(points, ..)| bounds(points)).collect();
    let mut taken = Vec::new();
    for (n, (_, text, color)) in labels.iter().enumerate() {
        let place = label_place(layout.film, (boxes.as_slice(), n), Font::BOLD.width(text), &taken);
        label(&mut canvas, place, text, *color);
        taken.push(place);
    }
    let status = header(&mut canvas, &layout, findings, caption);
    match film.heat {
        Some((finding, _)) => heat_panel(&mut canvas, &layout, status, finding, language),
        None => panel(&mut canvas, &layout, status, &order, language),
    }
    notice(&mut canvas, language);
    Some(canvas)
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

/// The height of a label.
const LABEL_HEIGHT: f32 = 26.0;

/// Left, top, right and bottom of a contour.
fn bounds(points: &[[f32; 2]]) -> [f32; 4] {
    points.iter().fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |b, p| {
        [b[0].min(p[0]), b[1].min(p[1]), b[2].max(p[0]), b[3].max(p[1])]
    })
}

/// Where the label of the n-th contour goes: above it, below, beside it, or further off. It covers no other
/// label, and no other contour either as long as there is such a place.
fn label_place(film: [u32; 4], (boxes, n): (&[[f32; 4]], usize), text: u32, taken: &[[f32; 4]]) -> [f32; 4] {
    let (width, height) = (text as f32 + 12.0, LABEL_HEIGHT);
    let [x0, y0, x1, y1] = boxes[n];
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
    let apart = |a: &[f32; 4], b: &[f32; 4]| a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
    let free = |place: &&[f32; 4]| taken.iter().all(|other| apart(other, place));
    let clear = |place: &&[f32; 4]| boxes.iter().enumerate().all(|(other, b)| other == n || apart(b, place));
    // Far from its contour nobody would know whose label it is: then rather over another contour.
    let near = places.iter().take(8).filter(free).find(clear);
    *near.or_else(|| places.iter().find(free)).unwrap_or(&places[0])
}

fn label(canvas: &mut Canvas, [x, y, right, bottom]: [f32; 4], text: &str, color: Rgb) {
    canvas.rect(x, y, right - x, bottom - y, BACKGROUND, 190);
    canvas.rect(x, y, 3.0, bottom - y, color, 255);
    canvas.text(x as u32 + 8, y as u32 + 3, text, Font::BOLD, color);
}

/// Who says it and when; gives the place where the verdict goes on.
fn header(canvas: &mut Canvas, layout: &Layout, findings: &ImageFindings, caption: &Caption) -> (u32, u32) {
    let [left, top, width, height] = layout.panel;
    canvas.rect(left as f32, top as f32, width as f32, height as f32, PANEL, 255);
    let (x, y) = (left + MARGIN, top + 14);
    let name = canvas.text(x, y, "Centinela", Font::TITLE, BRIGHT);
    canvas.text(x + name + 12, y + 6, caption.language.subtitle(), Font::SMALL, DIM);
    let inner = layout.inner();
    let model = shorten(&format!("{} {}", findings.model.title, findings.model.version), Font::SMALL, inner);
    let (first, second) = if layout.columns == 1 { (30, 50) } else { (34, 56) };
    canvas.text(x, y + first, &model, Font::SMALL, DIM);
    canvas.text(x, y + second, &caption.when, Font::SMALL, DIM);
    if layout.columns == 1 { (x, y + 72) } else { (x + layout.column(), y) }
}

/// What a heat map is, in the place of all labels.
fn heat_panel(canvas: &mut Canvas, layout: &Layout, (x, y): (u32, u32), finding: &Finding, language: Language) {
    let down = if layout.columns == 1 { HEADER_HEIGHT - 72 } else { 0 };
    let name = language.finding_percent(finding);
    heat::legend(canvas, (x, y + down), layout.inner(), &name, [BRIGHT, DIM], language);
}

/// Every label with its probability and operating point.
fn panel(
    canvas: &mut Canvas,
    layout: &Layout,
    (status_x, status_y): (u32, u32),
    order: &[(&Finding, Rgb)],
    language: Language,
) {
    let [left, top, _, height] = layout.panel;
    let (column, x, inner) = (layout.column(), left + MARGIN, layout.inner());
    let none = !order.iter().any(|(finding, _)| finding.present);
    if none {
        canvas.text(status_x, status_y, language.no_finding(), Font::BOLD, BRIGHT);
        if layout.columns > 1 {
            canvas.text(status_x, status_y + 30, language.no_finding_hint(), Font::SMALL, DIM);
        }
    }
    let y = top + HEADER_HEIGHT;
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
    fn labels_cover_neither_labels_nor_near_contours() {
        let film = [0, 0, 600, 400];
        let apart = |a: [f32; 4], b: [f32; 4]| a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
        // The second contour stands where the first one's label would, at the upper edge.
        let boxes = [[200.0, 100.0, 300.0, 160.0], [180.0, 60.0, 320.0, 98.0], [0.0, 0.0, 40.0, 40.0]];
        let mut taken = Vec::new();
        for n in 0..boxes.len() {
            let place = label_place(film, (&boxes, n), 120, &taken);
            assert!(place[0] >= 0.0 && place[1] >= 0.0 && place[2] <= 600.0 && place[3] <= 400.0, "{place:?}");
            assert!(taken.iter().all(|other| apart(place, *other)), "{n}: {place:?} over {taken:?}");
            let others = boxes.iter().enumerate().filter(|(other, _)| *other != n);
            assert!(others.into_iter().all(|(_, b)| apart(place, *b)), "{n}: {place:?} over a contour");
            taken.push(place);
        }
        // Nowhere is free of contours: still no label over a label.
        let crowded = [[0.0, 0.0, 600.0, 400.0], [1.0, 1.0, 599.0, 399.0]];
        let first = label_place(film, (&crowded, 0), 120, &[]);
        assert!(apart(first, label_place(film, (&crowded, 1), 120, &[first])));
    }

    #[test]
    fn long_texts_are_cut_with_dots() {
        assert_eq!(shorten("short", Font::SMALL, 400), "short");
        let cut = shorten("a very long name of a finding", Font::SMALL, 100);
        assert!(cut.ends_with("..") && Font::SMALL.width(&cut) <= 100, "{cut}");
    }
}
