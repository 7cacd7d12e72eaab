//! Segmentation: the regions of one film as bitmaps (PS3.3 A.51, C.8.20).
//!
//! One segment and one frame for each region, under the tracking identifier that report and
//! presentation state give it. Films have no frame of reference: a frame has the film's rows and
//! columns, and Derivation Image says that the places are the same, which stands instead of Pixel
//! Measures and planes. No codec for single bits is widely read, so the frames are not compressed.

use super::copy::Copier;
use super::dataset::{Dataset, encode_with_pixels};
use super::modules::{self, Form, Identity, Stamp};
use super::palette::Colors;
use super::{BuildError, Context, LeftOut, ResultObject, film_number, mask};
use crate::code::Code;
use crate::evidence::{SourceImage, StudyImage};
use crate::finding::{Finding, ImageFindings, TrackedRegion};
use crate::profile::ResultKind;
use crate::uid::Uid;
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::collections::BTreeSet;

/// Most bytes of frames: 119 regions on a film of 3000 x 3000, 53 on one of 4000 x 5000.
const MOST_BYTES: usize = 128 << 20;

/// A region to be written.
struct Segment<'a> {
    finding: &'a Finding,
    tracked: &'a TrackedRegion,
    /// Its place among the regions of the finding.
    n: usize,
}

/// Builds the segmentation of one film. `number` is its place among the segmentations, from 1. `None` where
/// the film does not say its size, which no film does that was analysed.
pub(super) fn build(
    context: &Context,
    images: &[&StudyImage],
    (image, findings): (&SourceImage, &ImageFindings),
    number: usize,
    left_out: &mut BTreeSet<LeftOut>,
) -> Result<Option<ResultObject>, BuildError> {
    let side = |n: Option<u32>| n.and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
    let (Some(columns), Some(rows)) = (side(image.header.columns), side(image.header.rows)) else { return Ok(None) };
    let pixels = usize::from(columns) * usize::from(rows);
    let segments = segments(findings, MOST_BYTES * 8 / pixels);
    if segments.len() < findings.findings.iter().map(|finding| finding.regions.len()).sum() {
        let attribute = "(0062,0002) SegmentSequence".to_owned();
        left_out.insert(LeftOut { source: image.header.sop_instance.clone(), attribute });
    }
    let film = Some((&image.header.sop_instance, number));
    let identity = Identity::derive(context, images, ResultKind::Seg, film, Form::Plain);
    let mut copier = Copier::new(image);
    let stamp = Stamp::new(context, &mut copier);
    let mut ds = modules::start(context, &identity, &mut copier, &stamp);
    ds.texts(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "PRIMARY"])
        .text(tags::SEGMENTATION_TYPE, VR::CS, "BINARY")
        .text(tags::SEGMENTS_OVERLAP, VR::CS, "UNDEFINED")
        .text(tags::CONTENT_LABEL, VR::CS, "AI_REGIONS")
        .text(tags::CONTENT_DESCRIPTION, VR::LO, context.language.short_notice())
        .text(tags::CONTENT_CREATOR_NAME, VR::PN, "Centinela^CXR AI")
        .text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
    modules::patient_orientation(&mut ds, &mut copier);
    modules::lossy(&mut ds, &mut copier);
    if let Some(item) = modules::acquisition_equipment(&mut copier) {
        ds.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, vec![item]);
    }
    left_out.extend(copier.left_out());
    ds.coding_schemes(segments.iter().flat_map(|segment| &segment.finding.code.schemes));
    let (colors, film) = (Colors::of(images), film_number(images, image));
    let described = segments.iter().enumerate().map(|(n, segment)| describe(context, segment, n + 1, film, &colors));
    ds.items(tags::SEGMENT_SEQUENCE, described.collect());
    frames(&mut ds, image, &identity.instance, segments.len());
    ds.us(tags::SAMPLES_PER_PIXEL, &[1])
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .number(tags::NUMBER_OF_FRAMES, segments.len())
        .us(tags::ROWS, &[rows])
        .us(tags::COLUMNS, &[columns])
        .us(tags::BITS_ALLOCATED, &[1])
        .us(tags::BITS_STORED, &[1])
        .us(tags::HIGH_BIT, &[0])
        .us(tags::PIXEL_REPRESENTATION, &[0]);

    // One frame begins where the last one ends, wherever that is in a byte.
    let length = mask::bytes(segments.len() * pixels).next_multiple_of(2);
    let bytes = encode_with_pixels(context, &identity, ds, length, |bitmap| {
        for (n, segment) in segments.iter().enumerate() {
            let size = (usize::from(columns), usize::from(rows));
            mask::draw(&segment.tracked.region.contour, size, bitmap, n * pixels);
        }
    })?;
    Ok(Some(ResultObject {
        kind: ResultKind::Seg,
        sop_class: identity.class,
        sop_instance: identity.instance,
        series: identity.series,
        source: Some(image.header.sop_instance.clone()),
        not_analyzed: false,
        bytes,
    }))
}

/// Every region, in the report's order. Where there are too many, those of the strongest findings.
fn segments(findings: &ImageFindings, most: usize) -> Vec<Segment<'_>> {
    let mut all = Vec::new();
    for finding in &findings.findings {
        all.extend(finding.regions.iter().enumerate().map(|(n, tracked)| Segment { finding, tracked, n }));
    }
    if all.len() > most {
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by(|a, b| all[*b].finding.probability.total_cmp(&all[*a].finding.probability));
        let kept: BTreeSet<usize> = order.into_iter().take(most).collect();
        let mut n = 0..;
        all.retain(|_| n.next().is_some_and(|n| kept.contains(&n)));
    }
    all
}

/// One item of the Segment Sequence (PS3.3 C.8.20.4).
fn describe(
    context: &Context,
    segment: &Segment<'_>,
    number: usize,
    film: Option<usize>,
    colors: &Colors<'_>,
) -> Dataset {
    let (language, code) = (context.language, &segment.finding.code);
    let identifier = language.tracking_identifier(code, segment.n, film);
    let mut item = Dataset::new();
    item.us(tags::SEGMENT_NUMBER, &[short(number)])
        .text(tags::SEGMENT_LABEL, VR::LO, &identifier)
        .text(tags::SEGMENT_DESCRIPTION, VR::ST, &language.finding_percent(segment.finding))
        .text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "AUTOMATIC")
        .text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, &context.model.title)
        .items(tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE, vec![algorithm(context, segment.finding)])
        .code(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, &code.category)
        .code(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, &code.finding)
        .text(tags::TRACKING_ID, VR::UT, &identifier)
        .uid(tags::TRACKING_UID, &segment.tracked.tracking);
    if let Some(site) = &code.site {
        item.code(tags::ANATOMIC_REGION_SEQUENCE, site);
    }
    if let Some(tint) = colors.get(segment.finding) {
        item.us(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE, &tint.lab);
    }
    item
}

/// Algorithm Identification macro (PS3.3 10.16).
fn algorithm(context: &Context, finding: &Finding) -> Dataset {
    let model = &context.model;
    let parameters = format!(
        "model={}, weights_sha256={}, input={2}x{2}, operating_point={3}",
        model.name, model.weights_sha256, model.input_size, finding.threshold
    );
    let mut item = Dataset::new();
    item.code(tags::ALGORITHM_FAMILY_CODE_SEQUENCE, &Code::dcm("123110", "Artificial Intelligence"))
        .text(tags::ALGORITHM_NAME, VR::LO, &model.title)
        .text(tags::ALGORITHM_VERSION, VR::LO, &model.version)
        .text(tags::ALGORITHM_SOURCE, VR::LO, &model.manufacturer)
        .text(tags::ALGORITHM_PARAMETERS, VR::LT, &parameters);
    item
}

fn short(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// Frame n shows segment n of the film: dimensions, functional groups and references (PS3.3 C.7.6.16,
/// C.7.6.17, C.12.2). The film stands in every frame, since readers look for it there only.
fn frames(ds: &mut Dataset, image: &SourceImage, instance: &Uid, count: usize) {
    let organization = Uid::derive(&["dimensions", instance.as_str()]);
    let mut named = Dataset::new();
    named.uid(tags::DIMENSION_ORGANIZATION_UID, &organization);
    let mut index = Dataset::new();
    index
        .uid(tags::DIMENSION_ORGANIZATION_UID, &organization)
        .tag(tags::DIMENSION_INDEX_POINTER, tags::REFERENCED_SEGMENT_NUMBER)
        .tag(tags::FUNCTIONAL_GROUP_POINTER, tags::SEGMENT_IDENTIFICATION_SEQUENCE)
        .text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, "Segment Number");
    let frame = |n: usize| {
        let (mut content, mut segment, mut groups) = (Dataset::new(), Dataset::new(), Dataset::new());
        content.ul(tags::DIMENSION_INDEX_VALUES, &[u32::from(short(n))]);
        segment.us(tags::REFERENCED_SEGMENT_NUMBER, &[short(n)]);
        groups
            .items(tags::FRAME_CONTENT_SEQUENCE, vec![content])
            .items(tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![segment])
            .items(tags::DERIVATION_IMAGE_SEQUENCE, vec![derivation(image)]);
        groups
    };
    let mut series = Dataset::new();
    let film = Dataset::reference(&image.header.sop_class, &image.header.sop_instance);
    series.uid(tags::SERIES_INSTANCE_UID, &image.header.series).items(tags::REFERENCED_INSTANCE_SEQUENCE, vec![film]);
    ds.items(tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![named])
        .items(tags::DIMENSION_INDEX_SEQUENCE, vec![index])
        .items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![Dataset::new()])
        .items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, (1..=count).map(frame).collect())
        .items(tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
}

/// The film as the source of a frame, pixel by pixel.
fn derivation(image: &SourceImage) -> Dataset {
    let mut source = Dataset::reference(&image.header.sop_class, &image.header.sop_instance);
    let purpose = Code::dcm("121322", "Source image for image processing operation");
    source.code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &purpose).text(
        tags::SPATIAL_LOCATIONS_PRESERVED,
        VR::CS,
        "YES",
    );
    let mut derivation = Dataset::new();
    derivation
        .code(tags::DERIVATION_CODE_SEQUENCE, &Code::dcm("113076", "Segmentation"))
        .items(tags::SOURCE_IMAGE_SEQUENCE, vec![source]);
    derivation
}
