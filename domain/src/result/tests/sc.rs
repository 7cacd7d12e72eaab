//! Secondary Captures: what stands in their pixels.

use super::*;

struct Shown {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Shown {
    fn of(context: &Context, image: StudyImage) -> Self {
        let ds = built(context, &[image], ResultKind::Sc).remove(0);
        let side = |tag| ds.element(tag).unwrap().to_int::<usize>().unwrap();
        let rgb = ds.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().into_owned();
        let (width, height) = (side(tags::COLUMNS), side(tags::ROWS));
        assert_eq!(rgb.len(), (width * height * 3).next_multiple_of(2));
        Self { width, height, rgb }
    }

    /// The bounding box of the pixels that a test accepts.
    fn extent(&self, accept: impl Fn([u8; 3]) -> bool) -> Option<[usize; 4]> {
        let mut extent: Option<[usize; 4]> = None;
        for (n, pixel) in self.rgb.chunks_exact(3).enumerate().take(self.width * self.height) {
            if accept([pixel[0], pixel[1], pixel[2]]) {
                let (x, y) = (n % self.width, n / self.width);
                let [x0, y0, x1, y1] = extent.unwrap_or([x, y, x, y]);
                extent = Some([x0.min(x), y0.min(y), x1.max(x), y1.max(y)]);
            }
        }
        extent
    }
}

/// The film's flat grey, as the fixture pictures have it.
fn is_film(p: [u8; 3]) -> bool {
    p == [100, 100, 100]
}

#[test]
fn contours_lie_where_the_report_has_them_in_portrait_and_landscape() {
    for size in [PORTRAIT, LANDSCAPE] {
        let region = square(f32::from(size.0) * 0.2, f32::from(size.1) * 0.25, 50.0);
        let image = analyzed(plain_film("a", size), vec![score("Pneumothorax", 0.9, vec![region])]);
        let shown = Shown::of(&context(), image);
        assert!(shown.width <= 1280 && shown.height <= 1280);
        let [left, top, right, _] = shown.extent(is_film).unwrap();
        let scale = (right - left + 1) as f32 / f32::from(size.0);
        let expect = |x: f32, y: f32| ((left as f32 + x * scale) as usize, (top as f32 + y * scale) as usize);
        // The middle of the left edge has the first palette colour; the middle of the region not.
        let (x, y) = (f32::from(size.0) * 0.2, f32::from(size.1) * 0.25 + 25.0);
        let at = |(x, y): (usize, usize)| &shown.rgb[(y * shown.width + x) * 3..][..3];
        let (edge, middle) = (expect(x, y), expect(x + 25.0, y));
        assert!(at(edge)[0] > 180 && at(edge)[2] < 120, "{size:?} {:?}", at(edge));
        assert_eq!(at(middle), [100, 100, 100], "{size:?}");
    }
}

#[test]
fn the_notice_stands_at_the_bottom_over_the_whole_width() {
    let shown = Shown::of(&context(), analyzed(plain_film("a", PORTRAIT), negative()));
    let band = shown.extent(|p| p == [70, 44, 0]).unwrap();
    assert_eq!((band[0], band[2]), (0, shown.width - 1));
    assert_eq!(band[3], shown.height - 1);
    assert!(shown.extent(|p| p == [255, 205, 90]).unwrap()[1] >= band[1], "its letters are inside");
}

#[test]
fn a_film_without_findings_says_so() {
    let quiet = Shown::of(&context(), analyzed(plain_film("a", PORTRAIT), negative()));
    let loud = Shown::of(&context(), analyzed(plain_film("a", PORTRAIT), positive()));
    // The sentence stands between the header and the headings, in bright letters.
    let bright_in = |shown: &Shown| {
        let rows = 84..108;
        shown
            .rgb
            .chunks_exact(3)
            .enumerate()
            .filter(|(n, p)| rows.contains(&(n / shown.width)) && p[0] > 230 && p[2] > 230)
            .count()
    };
    assert!(bright_in(&quiet) > 300, "{}", bright_in(&quiet));
    assert_eq!(bright_in(&loud), 0);
    let yellow = |p: [u8; 3]| p == [255, 200, 0];
    assert!(quiet.extent(yellow).is_none());
    assert!(loud.extent(yellow).is_some());
}

#[test]
fn the_object_declares_what_it_is() {
    let image = analyzed(plain_film("a", PORTRAIT), positive());
    let source = image.source.header.sop_instance.clone();
    let ds = built(&context(), &[image], ResultKind::Sc).remove(0);
    assert_eq!(text(&ds, tags::IMAGE_TYPE), "DERIVED\\SECONDARY");
    assert_eq!(text(&ds, tags::BURNED_IN_ANNOTATION), "YES");
    assert_eq!(text(&ds, tags::MODALITY), "OT");
    let reference = &items(&ds, tags::SOURCE_IMAGE_SEQUENCE)[0];
    assert_eq!(text(reference, tags::REFERENCED_SOP_INSTANCE_UID), source.as_str());
    assert!(ds.get(tags::PIXEL_SPACING).is_none());
}
