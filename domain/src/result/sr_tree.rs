//! The content of a report: TID 1500 with 1001/1004, 1410, 1501, 1600 and 4019 (PS3.16 annex A).
//!
//! One measurement group for each label of each analysed film, positive or negative, and one for
//! each region; negative ones can be left out ([`Negatives`]). Films of the study that were not analysed stand with their reason in the image
//! library and among the Qualitative Evaluations.

use super::copy::Copier;
use super::sr_content::Relation::{Contains, HasAcqContext, HasConceptMod, HasObsContext, InferredFrom, SelectedFrom};
use super::sr_content::{Item, Relation, Value};
use super::{Context, Language, Negatives, film_number};
use crate::code::Code;
use crate::evidence::{ImageOutcome, SourceImage, StudyImage};
use crate::finding::{Finding, ImageFindings};
use crate::gate::SkipReason;
use crate::prediction::ModelRef;
use crate::uid::Uid;
use dicom_core::VR;
use dicom_dictionary_std::tags;

fn text(relation: Relation, name: Code, text: &str) -> Item {
    Item::new(relation, name, Value::Text(text.to_owned()))
}

fn code(relation: Relation, name: Code, value: Code) -> Item {
    Item::new(relation, name, Value::Code(value))
}

fn container(name: Code, template: Option<&str>) -> Item {
    Item::new(Contains, name, Value::Container(template.map(str::to_owned)))
}

fn source(relation: Relation, image: &SourceImage) -> Item {
    let header = &image.header;
    let value = Value::Image(header.sop_class.clone(), header.sop_instance.clone());
    Item::new(relation, Code::sct("260753009", "Source"), value)
}

/// A decimal string: at most six decimals, no trailing zeros.
fn decimal(value: f32) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The report of a study with at least one analysed film.
pub(super) fn findings_report(context: &Context, images: &[&StudyImage]) -> Item {
    let language = context.language;
    let mut measurements = container(Code::dcm("126010", "Imaging Measurements"), None);
    let mut comments = Vec::new();
    // Viewers cannot show a report without any group, and one group of our own making would have to
    // say something of the film as a whole, which a classifier cannot: "Absent" for each label is
    // all that is known.
    let any_present = images.iter().flat_map(|image| image.findings()).any(|finding| finding.present);
    for (n, image) in images.iter().enumerate() {
        match &image.outcome {
            ImageOutcome::Analyzed { findings, .. } => {
                let film = film_number(images, &image.source);
                let omit = context.negatives == Negatives::Omit && any_present;
                measurements.children.extend(groups(context, &image.source, findings, film, omit));
            }
            ImageOutcome::Skipped(reason) => {
                let comment = text(Contains, comment_name(), &why(language, n, reason));
                comments.push(comment.with([source(InferredFrom, &image.source)]));
            }
        }
    }
    let mut report = report(context, images).with([measurements]);
    if !comments.is_empty() {
        let evaluations = container(Code::new("C0034375", "UMLS", "Qualitative Evaluations"), None);
        report.children.push(evaluations.with(comments));
    }
    report
}

/// The report of a study without any analysed film: one group that says why.
pub(super) fn not_analyzed_report(context: &Context, images: &[&StudyImage], tracking: Uid) -> Item {
    let language = context.language;
    // A film that a model without labels looked at was not judged either; it has no reason to give.
    let skipped = |image: &StudyImage| match &image.outcome {
        ImageOutcome::Skipped(reason) => Some(reason.clone()),
        ImageOutcome::Analyzed { .. } => None,
    };
    let failed = images.iter().copied().filter_map(skipped).any(|reason| reason.is_failure());
    let status = if failed { Code::dcm("111224", "Failed") } else { Code::dcm("111225", "Not Attempted") };
    let mut comment: Vec<String> = images
        .iter()
        .enumerate()
        .filter_map(|(n, image)| skipped(image).map(|reason| why(language, n, &reason)))
        .collect();
    comment.push(format!("{}.", language.notice()));
    let group = container(Code::dcm("125007", "Measurement Group"), Some("1501"))
        .with(tracking_pair(language.not_analyzed(), &tracking))
        .with([code(Contains, Code::dcm("121071", "Finding"), status)])
        .with(algorithm(&context.model, language, &[]))
        .with([text(Contains, comment_name(), &comment.join(" "))])
        .with(images.iter().map(|image| source(Contains, &image.source)));
    report(context, images).with([container(Code::dcm("126010", "Imaging Measurements"), None).with([group])])
}

fn comment_name() -> Code {
    Code::dcm("121106", "Comment")
}

fn why(language: Language, n: usize, reason: &SkipReason) -> String {
    let text = reason.text(&language);
    language.film_not_analyzed(n + 1, reason.is_failure(), text.trim_end_matches('.'))
}

/// The language of the document and the device that observed (TID 1204, 1002, 1004).
pub(super) fn observer(context: &Context) -> Vec<Item> {
    let node = &context.node;
    vec![
        code(HasConceptMod, Code::dcm("121049", "Language of Content Item and Descendants"), context.language.code()),
        code(HasObsContext, Code::dcm("121005", "Observer Type"), Code::dcm("121007", "Device")),
        Item::new(HasObsContext, Code::dcm("121012", "Device Observer UID"), Value::UidRef(node.device.clone())),
        text(HasObsContext, Code::dcm("121013", "Device Observer Name"), &node.ae_title),
        text(HasObsContext, Code::dcm("121014", "Device Observer Manufacturer"), &node.manufacturer),
        text(HasObsContext, Code::dcm("121015", "Device Observer Model Name"), &node.model_name),
        text(HasObsContext, Code::dcm("121016", "Device Observer Serial Number"), &node.serial_number),
    ]
}

/// Root, language, observer, procedure and image library.
fn report(context: &Context, images: &[&StudyImage]) -> Item {
    let group = container(Code::dcm("126200", "Image Library Group"), None)
        .with(images.iter().enumerate().map(|(n, image)| library_entry(context.language, n, image)));
    let root = Item {
        relation: None,
        name: Code::dcm("126000", "Imaging Measurement Report"),
        value: Value::Container(Some("1500".to_owned())),
        children: Vec::new(),
    };
    root.with(observer(context)).with([
        code(HasConceptMod, Code::dcm("121058", "Procedure reported"), Code::sct("363679005", "Imaging procedure")),
        container(Code::dcm("111028", "Image Library"), None).with([group]),
    ])
}

/// One film in the image library (TID 1601, 1602).
fn library_entry(language: Language, n: usize, image: &StudyImage) -> Item {
    let mut copier = Copier::new(&image.source);
    let number = |code: &str, meaning: &str, value: String, unit: Code| {
        Item::new(HasAcqContext, Code::dcm(code, meaning), Value::Num(value, unit))
    };
    let pixels = || Code::new("{pixels}", "UCUM", "Pixels");
    let mut entry = source(Contains, &image.source);
    let header = &image.source.header;
    if let Some(modality) = header.modality.as_deref().and_then(modality) {
        entry.children.push(code(HasAcqContext, Code::dcm("121139", "Modality"), modality));
    }
    if let (Some(rows), Some(columns)) = (header.rows, header.columns) {
        entry.children.push(number("110910", "Pixel Data Rows", rows.to_string(), pixels()));
        entry.children.push(number("110911", "Pixel Data Columns", columns.to_string(), pixels()));
    }
    if let Some([row, column]) = copier.values(tags::PATIENT_ORIENTATION, VR::CS, 2).as_deref()
        && !row.is_empty()
        && !column.is_empty()
    {
        entry.children.push(text(HasAcqContext, Code::dcm("111044", "Patient Orientation Row"), row));
        entry.children.push(text(HasAcqContext, Code::dcm("111043", "Patient Orientation Column"), column));
    }
    let spacing =
        copier.values(tags::PIXEL_SPACING, VR::DS, 2).or_else(|| copier.values(tags::IMAGER_PIXEL_SPACING, VR::DS, 2));
    if let Some([vertical, horizontal]) = spacing.as_deref() {
        let mm = || Code::new("mm", "UCUM", "mm");
        let trimmed = |text: &str| text.trim().to_owned();
        entry.children.push(number("111026", "Horizontal Pixel Spacing", trimmed(horizontal), mm()));
        entry.children.push(number("111066", "Vertical Pixel Spacing", trimmed(vertical), mm()));
    }
    if let ImageOutcome::Skipped(reason) = &image.outcome {
        entry.children.push(text(HasAcqContext, comment_name(), &why(language, n, reason)));
    }
    entry
}

/// The modality as a code of CID 29, for those that a chest study holds.
fn modality(word: &str) -> Option<Code> {
    let meaning = match word {
        "CR" => "Computed Radiography",
        "DX" => "Digital Radiography",
        "CT" => "Computed Tomography",
        "MG" => "Mammography",
        "MR" => "Magnetic Resonance",
        "RF" => "Radiofluoroscopy",
        "RG" => "Radiographic imaging",
        "US" => "Ultrasound",
        "XA" => "X-Ray Angiography",
        "OT" => "Other Modality",
        _ => return None,
    };
    Some(Code::dcm(word, meaning))
}

/// The measurement groups of one film.
fn groups(
    context: &Context,
    image: &SourceImage,
    findings: &ImageFindings,
    film: Option<usize>,
    omit: bool,
) -> Vec<Item> {
    let mut groups = Vec::new();
    for finding in findings.findings.iter().filter(|finding| finding.present || !omit) {
        if finding.regions.is_empty() {
            let identifier = context.language.tracking_identifier(&finding.code, 0, film);
            let tracking = tracking_pair(&identifier, &finding.tracking);
            let group = group(context, &findings.model, finding, "1501", tracking);
            groups.push(group.with([source(Contains, image)]));
        }
        for (n, tracked) in finding.regions.iter().enumerate() {
            let region = Item::new(
                Contains,
                Code::dcm("111030", "Image Region"),
                Value::Polyline(tracked.region.contour.clone()),
            );
            let identifier = context.language.tracking_identifier(&finding.code, n, film);
            let tracking = tracking_pair(&identifier, &tracked.tracking);
            let group = group(context, &findings.model, finding, "1410", tracking);
            groups.push(group.with([region.with([source(SelectedFrom, image)])]));
        }
    }
    groups
}

/// Everything of a group but its region or image.
fn group(context: &Context, model: &ModelRef, finding: &Finding, template: &str, tracking: [Item; 2]) -> Item {
    let language = context.language;
    let number = |code: Code, value: String, unit: Code| Item::new(Contains, code, Value::Num(value, unit));
    let presence = if finding.present { Code::sct("52101004", "Present") } else { Code::sct("2667000", "Absent") };
    let code_row = &finding.code;
    let mut group = container(Code::dcm("125007", "Measurement Group"), Some(template)).with(tracking).with([
        code(Contains, Code::sct("276214006", "Finding category"), code_row.category.clone()),
        code(Contains, Code::dcm("121071", "Finding"), code_row.finding.clone()),
    ]);
    if let Some(site) = &code_row.site {
        group.children.push(code(HasConceptMod, Code::sct("363698007", "Finding Site"), site.clone()));
    }
    let threshold = decimal(finding.threshold);
    group.with(algorithm(model, language, &[format!("operating_point={threshold}")])).with([
        number(
            Code::dcm("111012", "Certainty of Finding"),
            format!("{:.1}", f64::from(finding.probability) * 100.0),
            Code::new("%", "UCUM", "Percent"),
        ),
        number(Code::dcm("111071", "CAD Operating Point"), threshold, Code::new("1", "UCUM", "no units")),
        code(Contains, Code::sct("705057003", "Presence"), presence),
    ])
}

fn tracking_pair(identifier: &str, uid: &Uid) -> [Item; 2] {
    [
        text(HasObsContext, Code::dcm("112039", "Tracking Identifier"), identifier),
        Item::new(HasObsContext, Code::dcm("112040", "Tracking Unique Identifier"), Value::UidRef(uid.clone())),
    ]
}

/// Algorithm identification (TID 4019), with the notice among the parameters.
fn algorithm(model: &ModelRef, language: Language, parameters: &[String]) -> Vec<Item> {
    let mut items = vec![
        text(HasConceptMod, Code::dcm("111001", "Algorithm Name"), &model.title),
        text(HasConceptMod, Code::dcm("111003", "Algorithm Version"), &model.version),
        text(HasConceptMod, Code::dcm("122405", "Algorithm Manufacturer"), &model.manufacturer),
    ];
    let own = [
        format!("model={}", model.name),
        format!("weights_sha256={}", model.weights_sha256),
        format!("input={0}x{0}", model.input_size),
        language.notice().to_owned(),
    ];
    let parameters = parameters.iter().chain(&own);
    items.extend(parameters.map(|p| text(HasConceptMod, Code::dcm("111002", "Algorithm Parameters"), p)));
    let family = Code::dcm("123110", "Artificial Intelligence");
    items.push(code(HasConceptMod, Code::dcm("111000", "Algorithm Family"), family));
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_short_and_never_scientific() {
        for (value, text) in
            [(0.62, "0.62"), (0.5, "0.5"), (1.0, "1"), (0.0, "0"), (1e-9, "0"), (0.333_333_34, "0.333333")]
        {
            assert_eq!(decimal(value), text);
        }
    }
}
