//! Secondary Capture: the film with its findings drawn in, for viewers that show neither SR nor
//! GSPS (PS3.3 A.8.1, C.8.6).

use super::copy::Copier;
use super::dataset::{Dataset, encode};
use super::modules::{self, Identity, Stamp};
use super::overlay::{self, Caption};
use super::palette::Colors;
use super::{BuildError, Context, LeftOut, ResultObject};
use crate::code::Code;
use crate::evidence::{Picture, SourceImage, StudyImage};
use crate::finding::ImageFindings;
use crate::profile::ResultKind;
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::collections::BTreeSet;

/// Builds the capture of one film. `number` is its place among the captures, from 1.
pub(super) fn build(
    context: &Context,
    images: &[&StudyImage],
    (image, findings, picture): (&SourceImage, &ImageFindings, &Picture),
    number: usize,
    left_out: &mut BTreeSet<LeftOut>,
) -> Result<ResultObject, BuildError> {
    let film = Some((&image.header.sop_instance, number));
    let identity = Identity::derive(context, images, ResultKind::Sc, film, false);
    let mut copier = Copier::new(image);
    let stamp = Stamp::new(context, &mut copier);
    // Contours are in the film's own pixels, whatever size the picture has.
    let size = (image.header.columns.unwrap_or(picture.width), image.header.rows.unwrap_or(picture.height));
    let caption = Caption { when: stamp.readable() };
    let drawn = overlay::draw(picture, size, findings, &Colors::of(images), context.language, &caption)
        .ok_or_else(|| BuildError::Encode { kind: ResultKind::Sc, reason: "the picture has no pixels".to_owned() })?;

    let mut ds = modules::start(context, &identity, &mut copier, &stamp);
    let description = format!("{}. {}", context.language.derivation(), context.language.notice());
    let mut source = Dataset::reference(&image.header.sop_class, &image.header.sop_instance);
    let purpose = Code::dcm("121322", "Source image for image processing operation");
    source.code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &purpose);
    ds.texts(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "SECONDARY"])
        .text(tags::CONVERSION_TYPE, VR::CS, "WSD")
        .text(tags::DATE_OF_SECONDARY_CAPTURE, VR::DA, &stamp.date)
        .text(tags::TIME_OF_SECONDARY_CAPTURE, VR::TM, &stamp.time)
        .text(tags::DERIVATION_DESCRIPTION, VR::ST, &description)
        .items(tags::SOURCE_IMAGE_SEQUENCE, vec![source])
        .text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
    modules::patient_orientation(&mut ds, &mut copier);
    modules::lossy(&mut ds, &mut copier);
    if let Some(item) = modules::acquisition_equipment(&mut copier) {
        ds.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, vec![item]);
    }
    left_out.extend(copier.left_out());
    let side = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    let mut pixels = drawn.rgb;
    if pixels.len() % 2 == 1 {
        pixels.push(0);
    }
    ds.us(tags::SAMPLES_PER_PIXEL, &[3])
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB")
        .us(tags::PLANAR_CONFIGURATION, &[0])
        .us(tags::ROWS, &[side(drawn.height)])
        .us(tags::COLUMNS, &[side(drawn.width)])
        .us(tags::BITS_ALLOCATED, &[8])
        .us(tags::BITS_STORED, &[8])
        .us(tags::HIGH_BIT, &[7])
        .us(tags::PIXEL_REPRESENTATION, &[0])
        .bytes(tags::PIXEL_DATA, VR::OB, pixels);

    let bytes = encode(context, ResultKind::Sc, &identity.class, &identity.instance, ds)?;
    Ok(ResultObject {
        kind: ResultKind::Sc,
        sop_class: identity.class,
        sop_instance: identity.instance,
        series: identity.series,
        source: Some(image.header.sop_instance.clone()),
        not_analyzed: false,
        bytes,
    })
}
