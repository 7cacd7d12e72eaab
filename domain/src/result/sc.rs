//! Secondary Capture: the film with its findings drawn in, for viewers that show neither SR nor
//! GSPS (PS3.3 A.8.1, C.8.6).

use super::copy::Copier;
use super::dataset::{Dataset, encode_with_frame, encode_with_pixels};
use super::modules::{self, Form, Identity, Stamp};
use super::overlay::{self, Caption};
use super::palette::Colors;
use super::rle::{self, RLE_LOSSLESS};
use super::{BuildError, Compression, Context, LeftOut, ResultObject};
use crate::code::Code;
use crate::evidence::{Picture, SourceImage, StudyImage};
use crate::finding::{Finding, ImageFindings};
use crate::prediction::HeatMap;
use crate::profile::ResultKind;
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::collections::BTreeSet;

/// A film with what is drawn on it.
#[derive(Clone, Copy)]
pub(super) struct Film<'a> {
    pub(super) image: &'a SourceImage,
    pub(super) findings: &'a ImageFindings,
    pub(super) picture: &'a Picture,
    /// Instead of all contours: where the model looked for one finding.
    pub(super) heat: Option<(&'a Finding, &'a HeatMap)>,
}

impl<'a> Film<'a> {
    /// The same film for its heat map, if it has one of a present finding.
    pub(super) fn with_heat(self) -> Option<Self> {
        let map = self.findings.map.as_ref()?;
        let finding = self.findings.findings.iter().find(|f| f.present && f.code.label == map.label)?;
        Some(Self { heat: Some((finding, map)), ..self })
    }
}

/// Builds a capture of one film. `number` is its place among those of its series, from 1.
pub(super) fn build(
    context: &Context,
    images: &[&StudyImage],
    film: Film<'_>,
    number: usize,
    left_out: &mut BTreeSet<LeftOut>,
) -> Result<ResultObject, BuildError> {
    let (image, language) = (film.image, context.language);
    let of = Some((&image.header.sop_instance, number));
    let form = if film.heat.is_some() { Form::HeatMap } else { Form::Plain };
    let identity = Identity::derive(context, images, ResultKind::Sc, of, form);
    let mut copier = Copier::new(image);
    let stamp = Stamp::new(context, &mut copier);
    // Contours are in the film's own pixels, whatever size the picture has.
    let size = (image.header.columns.unwrap_or(film.picture.width), image.header.rows.unwrap_or(film.picture.height));
    let caption = Caption { when: stamp.readable(), language };
    let drawn = overlay::draw(&film, size, &Colors::of(images), &caption)
        .ok_or_else(|| BuildError::Encode { kind: ResultKind::Sc, reason: "the picture has no pixels".to_owned() })?;

    let mut ds = modules::start(context, &identity, &mut copier, &stamp);
    let derivation = match film.heat {
        Some((finding, _)) => language.heat_map_derivation(language.finding_name(&finding.code)),
        None => language.derivation().to_owned(),
    };
    let description = format!("{derivation}. {}", language.notice());
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
    if film.heat.is_some() {
        ds.code(tags::DERIVATION_CODE_SEQUENCE, &Code::dcm("130402", "Class activation"));
    }
    modules::patient_orientation(&mut ds, &mut copier);
    modules::lossy(&mut ds, &mut copier);
    if let Some(item) = modules::acquisition_equipment(&mut copier) {
        ds.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, vec![item]);
    }
    left_out.extend(copier.left_out());
    let side = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    ds.us(tags::SAMPLES_PER_PIXEL, &[3])
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB")
        .us(tags::PLANAR_CONFIGURATION, &[0])
        .us(tags::ROWS, &[side(drawn.height())])
        .us(tags::COLUMNS, &[side(drawn.width())])
        .us(tags::BITS_ALLOCATED, &[8])
        .us(tags::BITS_STORED, &[8])
        .us(tags::HIGH_BIT, &[7])
        .us(tags::PIXEL_REPRESENTATION, &[0]);

    let length = drawn.width() as usize * drawn.height() as usize * 3;
    let bytes = match context.captures.compression {
        Compression::None => {
            encode_with_pixels(context, &identity, ds, length.next_multiple_of(2), |pixels| drawn.write_rgb(pixels))?
        }
        Compression::Rle => {
            let frame = rle::encode(&drawn.rgb(), drawn.width() as usize);
            encode_with_frame(RLE_LOSSLESS, context, &identity, ds, &frame)?
        }
    };
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
