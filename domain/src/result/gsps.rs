//! Grayscale Softcopy Presentation State: one for each film with regions (PS3.3 A.33.1).
//!
//! The presentation of the film itself is copied, since a viewer that applies the state forgets
//! the film's own window. The presentation pipeline ignores Photometric Interpretation, so
//! MONOCHROME1 needs the INVERSE shape (PS3.3 C.11.6).

use super::copy::{Copier, Need};
use super::dataset::{Dataset, encode};
use super::modules::{self, Identity, Stamp};
use super::{BuildError, Context, LeftOut, ResultObject, film_number};
use crate::evidence::{SourceImage, StudyImage};
use crate::finding::{ImageFindings, TrackedRegion};
use crate::profile::ResultKind;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use std::collections::BTreeSet;

const FINDINGS_LAYER: &str = "AI_FINDINGS";
const NOTICE_LAYER: &str = "AI_NOTICE";
/// Yellow that stands out on grey, and a calmer white for the notice: L*, a*, b*.
const FINDINGS_COLOR: [f64; 3] = [85.0, 20.0, 80.0];
const NOTICE_COLOR: [f64; 3] = [92.0, 0.0, 15.0];

/// Builds the presentation state of one film. `number` is its place among the states, from 1.
pub(super) fn build(
    context: &Context,
    images: &[&StudyImage],
    image: &SourceImage,
    findings: &ImageFindings,
    number: usize,
    left_out: &mut BTreeSet<LeftOut>,
) -> Result<ResultObject, BuildError> {
    let film = Some((&image.header.sop_instance, number));
    let identity = Identity::derive(context, images, ResultKind::Gsps, film, false);
    let mut copier = Copier::new(image);
    let stamp = Stamp::new(context, &mut copier);
    let mut ds = modules::start(context, &identity, &mut copier, &stamp);
    ds.text(tags::CONTENT_LABEL, VR::CS, FINDINGS_LAYER)
        .text(tags::CONTENT_DESCRIPTION, VR::LO, context.language.short_notice())
        .text(tags::CONTENT_CREATOR_NAME, VR::PN, "Centinela^CXR AI")
        .text(tags::PRESENTATION_CREATION_DATE, VR::DA, &stamp.date)
        .text(tags::PRESENTATION_CREATION_TIME, VR::TM, &stamp.time);
    if let Some(item) = modules::acquisition_equipment(&mut copier) {
        ds.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, vec![item]);
    }
    let mut series = Dataset::new();
    series
        .uid(tags::SERIES_INSTANCE_UID, &image.header.series)
        .items(tags::REFERENCED_IMAGE_SEQUENCE, vec![reference(image)]);
    ds.items(tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
    displayed_area(&mut ds, image, &mut copier);
    shutter(&mut ds, &mut copier);
    modality_lut(&mut ds, &mut copier);
    voi_lut(&mut ds, &mut copier);
    presentation_lut(&mut ds, image, &mut copier);
    layers(&mut ds, context);
    annotations(&mut ds, context, image, findings, film_number(images, image));
    left_out.extend(copier.left_out());

    let bytes = encode(context, ResultKind::Gsps, &identity.class, &identity.instance, ds)?;
    Ok(ResultObject {
        kind: ResultKind::Gsps,
        sop_class: identity.class,
        sop_instance: identity.instance,
        series: identity.series,
        source: Some(image.header.sop_instance.clone()),
        not_analyzed: false,
        bytes,
    })
}

fn reference(image: &SourceImage) -> Dataset {
    Dataset::reference(&image.header.sop_class, &image.header.sop_instance)
}

/// The whole film, fitted; corners count pixels from 1.
fn displayed_area(ds: &mut Dataset, image: &SourceImage, copier: &mut Copier<'_>) {
    let side = |n: Option<u32>| n.and_then(|n| i32::try_from(n).ok()).unwrap_or(1);
    let mut area = Dataset::new();
    area.sl(tags::DISPLAYED_AREA_TOP_LEFT_HAND_CORNER, &[1, 1])
        .sl(tags::DISPLAYED_AREA_BOTTOM_RIGHT_HAND_CORNER, &[side(image.header.columns), side(image.header.rows)])
        .text(tags::PRESENTATION_SIZE_MODE, VR::CS, "SCALE TO FIT");
    let positive = |v: &String| v.trim().parse::<f64>().is_ok_and(|n| n > 0.0);
    let pair = |values: Option<Vec<String>>| values.filter(|v| v.len() == 2 && v.iter().all(positive));
    let spacing = pair(copier.values(tags::PIXEL_SPACING, VR::DS, 2));
    let aspect = pair(copier.values(tags::PIXEL_ASPECT_RATIO, VR::IS, 2));
    let (tag, vr, values) = match (spacing, aspect) {
        (Some(spacing), _) => (tags::PRESENTATION_PIXEL_SPACING, VR::DS, spacing),
        (None, Some(aspect)) => (tags::PRESENTATION_PIXEL_ASPECT_RATIO, VR::IS, aspect),
        (None, None) => (tags::PRESENTATION_PIXEL_ASPECT_RATIO, VR::IS, vec!["1".into(), "1".into()]),
    };
    area.texts(tag, vr, &values.iter().map(String::as_str).collect::<Vec<_>>());
    ds.items(tags::DISPLAYED_AREA_SELECTION_SEQUENCE, vec![area]);
}

/// Display Shutter: without it, the state would uncover what the film's own shutter hides.
fn shutter(ds: &mut Dataset, copier: &mut Copier<'_>) {
    let needs = |shape: &str| -> &'static [(Tag, usize)] {
        match shape {
            "RECTANGULAR" => &[
                (tags::SHUTTER_LEFT_VERTICAL_EDGE, 1),
                (tags::SHUTTER_RIGHT_VERTICAL_EDGE, 1),
                (tags::SHUTTER_UPPER_HORIZONTAL_EDGE, 1),
                (tags::SHUTTER_LOWER_HORIZONTAL_EDGE, 1),
            ],
            "CIRCULAR" => &[(tags::CENTER_OF_CIRCULAR_SHUTTER, 2), (tags::RADIUS_OF_CIRCULAR_SHUTTER, 1)],
            "POLYGONAL" => &[(tags::VERTICES_OF_THE_POLYGONAL_SHUTTER, usize::MAX)],
            _ => &[],
        }
    };
    let Some(shapes) = copier.values(tags::SHUTTER_SHAPE, VR::CS, 3) else { return };
    let mut edges = Dataset::new();
    let mut complete = Vec::new();
    for shape in &shapes {
        let needs = needs(shape);
        let values: Option<Vec<_>> = needs.iter().map(|(tag, most)| copier.values(*tag, VR::IS, *most)).collect();
        if let Some(values) = values.filter(|v| !v.is_empty()) {
            for ((tag, _), values) in needs.iter().zip(&values) {
                edges.texts(*tag, VR::IS, &values.iter().map(String::as_str).collect::<Vec<_>>());
            }
            complete.push(shape.as_str());
        }
    }
    if complete.is_empty() {
        return;
    }
    let gray = copier.integers(tags::SHUTTER_PRESENTATION_VALUE).and_then(|v| u16::try_from(*v.first()?).ok());
    ds.absorb(edges.into_inner())
        .texts(tags::SHUTTER_SHAPE, VR::CS, &complete)
        .us(tags::SHUTTER_PRESENTATION_VALUE, &[gray.unwrap_or(0)]);
}

fn modality_lut(ds: &mut Dataset, copier: &mut Copier<'_>) {
    if let Some(sequence) = copier.raw(tags::MODALITY_LUT_SEQUENCE).filter(|e| e.items().is_some_and(|i| !i.is_empty()))
    {
        ds.element(sequence.clone());
        return;
    }
    let (slope, intercept) = (copier.value(tags::RESCALE_SLOPE, VR::DS), copier.value(tags::RESCALE_INTERCEPT, VR::DS));
    if let (Some(slope), Some(intercept)) = (slope, intercept) {
        let kind = copier.value(tags::RESCALE_TYPE, VR::LO).unwrap_or_else(|| "US".to_owned());
        ds.text(tags::RESCALE_SLOPE, VR::DS, &slope).text(tags::RESCALE_INTERCEPT, VR::DS, &intercept).text(
            tags::RESCALE_TYPE,
            VR::LO,
            &kind,
        );
    }
}

/// The film's VOI LUT or its first window, verbatim.
fn voi_lut(ds: &mut Dataset, copier: &mut Copier<'_>) {
    let mut item = Dataset::new();
    if let Some(sequence) = copier.raw(tags::VOILUT_SEQUENCE)
        && let Some(first) = sequence.items().and_then(|items| items.first())
    {
        let mut lut = Dataset::new();
        lut.absorb(first.clone());
        item.items(tags::VOILUT_SEQUENCE, vec![lut]);
    } else {
        let first = |copier: &mut Copier<'_>, tag| {
            copier.values(tag, VR::DS, usize::MAX).and_then(|v| v.into_iter().next()).filter(|v| !v.is_empty())
        };
        let (Some(center), Some(width)) = (first(copier, tags::WINDOW_CENTER), first(copier, tags::WINDOW_WIDTH))
        else {
            return;
        };
        item.text(tags::WINDOW_CENTER, VR::DS, &center).text(tags::WINDOW_WIDTH, VR::DS, &width);
        let explanations = copier.values(tags::WINDOW_CENTER_WIDTH_EXPLANATION, VR::LO, usize::MAX);
        if let Some(explanation) = explanations.and_then(|v| v.into_iter().next()).filter(|v| !v.is_empty()) {
            item.text(tags::WINDOW_CENTER_WIDTH_EXPLANATION, VR::LO, &explanation);
        }
        copier.copy(&mut item, tags::VOILUT_FUNCTION, VR::CS, Need::Optional);
    }
    ds.items(tags::SOFTCOPY_VOILUT_SEQUENCE, vec![item]);
}

fn presentation_lut(ds: &mut Dataset, image: &SourceImage, copier: &mut Copier<'_>) {
    if let Some(sequence) =
        copier.raw(tags::PRESENTATION_LUT_SEQUENCE).filter(|e| e.items().is_some_and(|i| !i.is_empty()))
    {
        ds.element(sequence.clone());
        return;
    }
    let own = copier.value(tags::PRESENTATION_LUT_SHAPE, VR::CS);
    let shape = match own.as_deref() {
        Some(shape @ ("IDENTITY" | "INVERSE")) => shape,
        _ if image.header.photometric.as_deref() == Some("MONOCHROME1") => "INVERSE",
        _ => "IDENTITY",
    };
    ds.text(tags::PRESENTATION_LUT_SHAPE, VR::CS, shape);
}

fn layers(ds: &mut Dataset, context: &Context) {
    let layer = |name: &str, order: u32, text: &str, color: [f64; 3]| {
        let mut item = Dataset::new();
        item.text(tags::GRAPHIC_LAYER, VR::CS, name)
            .number(tags::GRAPHIC_LAYER_ORDER, order)
            .text(tags::GRAPHIC_LAYER_DESCRIPTION, VR::LO, text)
            .us(tags::GRAPHIC_LAYER_RECOMMENDED_DISPLAY_CIE_LAB_VALUE, &cielab(color));
        item
    };
    let language = context.language;
    ds.items(
        tags::GRAPHIC_LAYER_SEQUENCE,
        vec![
            layer(FINDINGS_LAYER, 1, language.layer_findings(), FINDINGS_COLOR),
            layer(NOTICE_LAYER, 2, language.layer_notice(), NOTICE_COLOR),
        ],
    );
}

/// CIELab as DICOM packs it into 16 bits (PS3.3 C.10.7.1.1).
fn cielab([l, a, b]: [f64; 3]) -> [u16; 3] {
    let pack = |value: f64| (value * 65_535.0).round().clamp(0.0, 65_535.0) as u16;
    [pack(l / 100.0), pack((a + 128.0) / 255.0), pack((b + 128.0) / 255.0)]
}

fn annotations(
    ds: &mut Dataset,
    context: &Context,
    image: &SourceImage,
    findings: &ImageFindings,
    film: Option<usize>,
) {
    let language = context.language;
    let (mut graphics, mut texts) = (Vec::new(), Vec::new());
    for finding in &findings.findings {
        for (n, tracked) in finding.regions.iter().enumerate() {
            let identifier = language.tracking_identifier(&finding.code, n, film);
            let percent = f64::from(finding.probability) * 100.0;
            let words = format!("{} {percent:.0}%", language.finding_name(&finding.code));
            graphics.push(contour(tracked, &identifier));
            texts.push(caption(tracked, &identifier, &words));
        }
    }
    let mut drawn = Dataset::new();
    drawn
        .items(tags::REFERENCED_IMAGE_SEQUENCE, vec![reference(image)])
        .text(tags::GRAPHIC_LAYER, VR::CS, FINDINGS_LAYER)
        .items(tags::TEXT_OBJECT_SEQUENCE, texts)
        .items(tags::GRAPHIC_OBJECT_SEQUENCE, graphics);
    let mut words = Dataset::new();
    words
        .text(tags::BOUNDING_BOX_ANNOTATION_UNITS, VR::CS, "DISPLAY")
        .fl(tags::BOUNDING_BOX_TOP_LEFT_HAND_CORNER, &[0.02, 0.94])
        .fl(tags::BOUNDING_BOX_BOTTOM_RIGHT_HAND_CORNER, &[0.98, 0.98])
        .text(tags::BOUNDING_BOX_TEXT_HORIZONTAL_JUSTIFICATION, VR::CS, "LEFT")
        .text(tags::UNFORMATTED_TEXT_VALUE, VR::ST, language.notice());
    let mut notice = Dataset::new();
    notice
        .items(tags::REFERENCED_IMAGE_SEQUENCE, vec![reference(image)])
        .text(tags::GRAPHIC_LAYER, VR::CS, NOTICE_LAYER)
        .items(tags::TEXT_OBJECT_SEQUENCE, vec![words]);
    ds.items(tags::GRAPHIC_ANNOTATION_SEQUENCE, vec![drawn, notice]);
}

fn contour(tracked: &TrackedRegion, identifier: &str) -> Dataset {
    let points = &tracked.region.contour;
    let flat: Vec<f32> = points.iter().flatten().copied().collect();
    let mut item = Dataset::new();
    item.text(tags::GRAPHIC_ANNOTATION_UNITS, VR::CS, "PIXEL")
        .us(tags::GRAPHIC_DIMENSIONS, &[2])
        .us(tags::NUMBER_OF_GRAPHIC_POINTS, &[u16::try_from(points.len()).unwrap_or(u16::MAX)])
        .fl(tags::GRAPHIC_DATA, &flat)
        .text(tags::GRAPHIC_TYPE, VR::CS, "POLYLINE")
        .text(tags::GRAPHIC_FILLED, VR::CS, "N");
    track(&mut item, tracked, identifier);
    item
}

/// A text at the contour's topmost point.
fn caption(tracked: &TrackedRegion, identifier: &str, words: &str) -> Dataset {
    let top = tracked.region.contour.iter().copied().min_by(|a, b| a[1].total_cmp(&b[1])).unwrap_or_default();
    let mut item = Dataset::new();
    item.text(tags::ANCHOR_POINT_ANNOTATION_UNITS, VR::CS, "PIXEL")
        .fl(tags::ANCHOR_POINT, &top)
        .text(tags::ANCHOR_POINT_VISIBILITY, VR::CS, "Y")
        .text(tags::UNFORMATTED_TEXT_VALUE, VR::ST, words);
    track(&mut item, tracked, identifier);
    item
}

fn track(item: &mut Dataset, tracked: &TrackedRegion, identifier: &str) {
    item.text(tags::TRACKING_ID, VR::UT, identifier).uid(tags::TRACKING_UID, &tracked.tracking);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_packed_over_the_whole_range() {
        assert_eq!(cielab([0.0, -128.0, -128.0]), [0, 0, 0]);
        assert_eq!(cielab([100.0, 127.0, 127.0]), [65_535; 3]);
        assert_eq!(cielab([50.0, 0.0, 0.0]), [32_768, 32_896, 32_896]);
    }
}
