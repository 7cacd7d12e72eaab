//! Grayscale Softcopy Presentation State: one for each film with regions (PS3.3 A.33.1).
//!
//! The presentation of the film itself is copied, since a viewer that applies the state forgets
//! the film's own window. The presentation pipeline ignores Photometric Interpretation, so
//! MONOCHROME1 needs the INVERSE shape (PS3.3 C.11.6).

use super::copy::{Copier, Need};
use super::dataset::{Dataset, encode};
use super::modules::{self, Form, Identity, Stamp};
use super::palette::{Colors, NOTICE};
use super::{BuildError, Context, LeftOut, ResultObject, film_number};
use crate::evidence::{SourceImage, StudyImage};
use crate::finding::{Finding, ImageFindings, TrackedRegion};
use crate::profile::ResultKind;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use std::collections::BTreeSet;

const LABEL: &str = "AI_FINDINGS";
const NOTICE_LAYER: &str = "AI_NOTICE";
/// For the film's own overlays, which a state without it would hide.
const OVERLAY_LAYER: &str = "FILM_OVERLAYS";

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
    let identity = Identity::derive(context, images, ResultKind::Gsps, film, Form::Plain);
    let mut copier = Copier::new(image);
    let stamp = Stamp::new(context, &mut copier);
    let mut ds = modules::start(context, &identity, &mut copier, &stamp);
    ds.text(tags::CONTENT_LABEL, VR::CS, LABEL)
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
    let overlays = overlays(&mut ds, &copier);
    let drawn: Vec<&Finding> = findings.findings.iter().filter(|finding| !finding.regions.is_empty()).collect();
    layers(&mut ds, context, &drawn, &Colors::of(images), overlays);
    annotations(&mut ds, context, image, &drawn, film_number(images, image));
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
    let aspect = pair(copier.values(tags::PIXEL_ASPECT_RATIO, VR::IS, 2)).or_else(|| {
        // Distances at the detector are none in the patient, but their ratio is that of the pixels.
        let mut read = |tag| pair(copier.values(tag, VR::DS, 2));
        let spacing = read(tags::IMAGER_PIXEL_SPACING).or_else(|| read(tags::NOMINAL_SCANNED_PIXEL_SPACING))?;
        let number = |n: usize| spacing[n].trim().parse::<f64>().unwrap_or(1.0);
        let ratio = (number(0) / number(1) * 10_000.0).round();
        (ratio != 10_000.0 && (1.0..1e8).contains(&ratio)).then(|| vec![format!("{ratio}"), "10000".to_owned()])
    });
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
        let possible = |width: &String| width.trim().parse::<f64>().is_ok_and(|width| width > 0.0);
        let center = first(copier, tags::WINDOW_CENTER);
        let width = first(copier, tags::WINDOW_WIDTH).filter(possible);
        let (Some(center), Some(width)) = (center, width) else { return };
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
    // IDENTITY beside MONOCHROME1 contradicts it; the mandatory attribute wins, as where the film is read.
    let own = copier.value(tags::PRESENTATION_LUT_SHAPE, VR::CS);
    let monochrome1 = image.header.photometric.as_deref() == Some("MONOCHROME1");
    let shape = if monochrome1 || own.as_deref() == Some("INVERSE") { "INVERSE" } else { "IDENTITY" };
    ds.text(tags::PRESENTATION_LUT_SHAPE, VR::CS, shape);
}

/// Activates the overlays of the film (PS3.3 C.11.7), a side marker perhaps among them; says whether it has any.
fn overlays(ds: &mut Dataset, copier: &Copier<'_>) -> bool {
    let groups = (0x6000..=0x601e_u16).step_by(2).filter(|group| copier.raw(Tag(*group, 0x0010)).is_some());
    let groups: Vec<u16> = groups.collect();
    for group in &groups {
        ds.text(Tag(*group, 0x1001), VR::CS, OVERLAY_LAYER);
    }
    !groups.is_empty()
}

/// The layer of the n-th finding that has something to draw.
fn layer_name(n: usize) -> String {
    format!("AI_FINDING_{}", n + 1)
}

/// One layer for each finding, so that viewers give it its colour and can hide it alone; then the notice.
fn layers(ds: &mut Dataset, context: &Context, drawn: &[&Finding], colors: &Colors<'_>, overlays: bool) {
    let language = context.language;
    let mut layers: Vec<(String, String, [u16; 3])> = Vec::new();
    if overlays {
        layers.push((OVERLAY_LAYER.to_owned(), language.layer_overlays().to_owned(), NOTICE.lab));
    }
    for (n, finding) in drawn.iter().enumerate() {
        let text = format!("{}: {}", language.layer_findings(), language.finding_name(&finding.code));
        layers.push((layer_name(n), text, colors.get(finding).unwrap_or(NOTICE).lab));
    }
    layers.push((NOTICE_LAYER.to_owned(), language.layer_notice().to_owned(), NOTICE.lab));
    let item = |(n, (name, text, color)): (usize, (String, String, [u16; 3]))| {
        let mut item = Dataset::new();
        item.text(tags::GRAPHIC_LAYER, VR::CS, &name)
            .number(tags::GRAPHIC_LAYER_ORDER, n + 1)
            .us(tags::GRAPHIC_LAYER_RECOMMENDED_DISPLAY_GRAYSCALE_VALUE, &[u16::MAX])
            .text(tags::GRAPHIC_LAYER_DESCRIPTION, VR::LO, &text)
            .us(tags::GRAPHIC_LAYER_RECOMMENDED_DISPLAY_CIE_LAB_VALUE, &color);
        item
    };
    ds.items(tags::GRAPHIC_LAYER_SEQUENCE, layers.into_iter().enumerate().map(item).collect());
}

fn annotations(ds: &mut Dataset, context: &Context, image: &SourceImage, drawn: &[&Finding], film: Option<usize>) {
    let language = context.language;
    let mut annotations = Vec::new();
    for (layer, finding) in drawn.iter().enumerate() {
        let (mut graphics, mut texts) = (Vec::new(), Vec::new());
        for (n, tracked) in finding.regions.iter().enumerate() {
            let identifier = language.tracking_identifier(&finding.code, n, film);
            graphics.push(contour(tracked, &identifier));
            texts.push(caption(tracked, &identifier, &language.finding_percent(finding)));
        }
        let mut annotation = Dataset::new();
        annotation
            .items(tags::REFERENCED_IMAGE_SEQUENCE, vec![reference(image)])
            .text(tags::GRAPHIC_LAYER, VR::CS, &layer_name(layer))
            .items(tags::TEXT_OBJECT_SEQUENCE, texts)
            .items(tags::GRAPHIC_OBJECT_SEQUENCE, graphics);
        annotations.push(annotation);
    }
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
    annotations.push(notice);
    ds.items(tags::GRAPHIC_ANNOTATION_SEQUENCE, annotations);
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
