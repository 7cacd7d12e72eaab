//! A class activation map over a film: what the network saw for one finding, as colours and a legend.

use super::Language;
use super::canvas::{Canvas, Font, Rgb};
use crate::prediction::HeatMap;

/// Least share that is drawn; opacity of the largest one (255 is opaque).
const LEAST: f32 = 0.1;
const OPACITY: f32 = 150.0;

/// From the least to the largest share: dark violet, red, orange, yellow.
const RAMP: [Rgb; 4] = [[72, 12, 120], [196, 36, 90], [250, 130, 24], [255, 240, 90]];

fn color(share: f32) -> Rgb {
    let at = share.clamp(0.0, 1.0) * (RAMP.len() - 1) as f32;
    let low = (at as usize).min(RAMP.len() - 2);
    let t = at - low as f32;
    let mix = |n: usize| (f32::from(RAMP[low][n]) * (1.0 - t) + f32::from(RAMP[low + 1][n]) * t).round() as u8;
    [mix(0), mix(1), mix(2)]
}

/// Rises from nothing at the least share, so that the map has no edge of its own.
fn opacity(share: f32) -> u8 {
    (((share - LEAST) / (1.0 - LEAST)).max(0.0).sqrt() * OPACITY).round() as u8
}

/// Blends the map over the film, which stands at `left`, `top`, `width`, `height` of the picture.
pub(super) fn blend(
    canvas: &mut Canvas,
    [left, top, width, height]: [u32; 4],
    (columns, rows): (u32, u32),
    map: &HeatMap,
) {
    let (sx, sy) = (columns as f32 / width as f32, rows as f32 / height as f32);
    for y in 0..height {
        for x in 0..width {
            let share = map.at((x as f32 + 0.5) * sx, (y as f32 + 0.5) * sy);
            if share > LEAST {
                canvas.blend(left + x, top + y, color(share), opacity(share));
            }
        }
    }
}

/// What the colours mean: a bar from low to high and a sentence.
pub(super) fn legend(
    canvas: &mut Canvas,
    (x, mut y): (u32, u32),
    inner: u32,
    name: &str,
    ink: [Rgb; 2],
    language: Language,
) {
    let [bright, dim] = ink;
    for line in wrap(&language.heat_map(name), Font::BOLD, inner) {
        canvas.text(x, y, &line, Font::BOLD, bright);
        y += 26;
    }
    y += 6;
    for n in 0..inner {
        let share = (n as f32 + 0.5) / inner as f32;
        canvas.rect((x + n) as f32, y as f32, 1.0, 16.0, color(share), 255);
    }
    y += 22;
    let (low, high) = language.heat_map_ends();
    canvas.text(x, y, low, Font::SMALL, dim);
    canvas.text((x + inner).saturating_sub(Font::SMALL.width(high)), y, high, Font::SMALL, dim);
    y += 28;
    for line in wrap(language.heat_map_hint(), Font::SMALL, inner) {
        canvas.text(x, y, &line, Font::SMALL, dim);
        y += 20;
    }
}

/// Lines of whole words, none wider than `width` unless a word alone is.
fn wrap(text: &str, font: Font, width: u32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if font.width(line) + font.width(" ") + font.width(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_from_dark_to_bright_without_a_step() {
        let bright = |share: f32| color(share).iter().map(|v| u32::from(*v)).sum::<u32>();
        let levels: Vec<u32> = (0..=100).map(|n| bright(n as f32 / 100.0)).collect();
        assert!(levels.windows(2).all(|pair| pair[1] >= pair[0] && pair[1] - pair[0] < 15), "{levels:?}");
        assert_eq!((color(0.0), color(1.0)), (RAMP[0], RAMP[3]));
        assert!((opacity(LEAST), opacity(1.0)) == (0, 150));
    }

    #[test]
    fn words_are_never_cut_and_lines_fit() {
        let lines = wrap("one two three four five", Font::SMALL, Font::SMALL.width("three four"));
        assert_eq!(lines, ["one two", "three four", "five"]);
        assert_eq!(wrap("unbreakable", Font::SMALL, 10), ["unbreakable"]);
    }
}
