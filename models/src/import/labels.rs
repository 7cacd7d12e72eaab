//! Which outputs are reported, under which names and from which score on.

use super::error::ImportError;
use super::families::Known;
use super::request::Request;
use crate::manifest::{Calibration, Label};
use centinela_domain::code::Vocabulary;

/// Spellings of other toolkits, lower case with blanks.
const ALIASES: [(&str, &str); 4] = [
    ("pleural effusion", "Effusion"),
    ("infiltrate", "Infiltration"),
    ("pulmonary edema", "Edema"),
    ("airspace opacity", "Lung Opacity"),
];

/// What the outputs mean.
#[derive(Debug)]
pub(super) struct Outputs {
    pub labels: Vec<Label>,
    pub calibration: Calibration,
    /// What people should know, one sentence each.
    pub notes: Vec<String>,
}

/// The name in the findings table for a label as a model spells it.
fn table_name(label: &str) -> Option<&'static str> {
    let plain = |text: &str| text.trim().to_lowercase().replace(['_', '-'], " ");
    let wanted = plain(label);
    let alias = ALIASES.iter().find(|(spelling, _)| *spelling == wanted).map(|(_, name)| plain(name));
    let wanted = alias.unwrap_or(wanted);
    Vocabulary::embedded().rows().map(|row| row.label.as_str()).find(|name| plain(name) == wanted)
}

/// Joins what the family, the flags and a config.json say.
///
/// # Errors
/// [`ImportError::Flag`].
pub(super) fn outputs(
    request: &Request,
    known: Option<&Known>,
    config: Option<&[String]>,
    stored_points: Option<&[f32]>,
    classes: usize,
) -> Result<Outputs, ImportError> {
    let mut notes = Vec::new();
    let spelled = spelled(request, known, config, classes)?;
    let points = known.map_or_else(|| stored_points.map(<[f32]>::to_vec), |known| known.points.clone());
    let calibration = match (&request.calibration, points) {
        (Some(given), _) => given.clone(),
        (None, Some(thresholds)) => {
            if thresholds.len() != classes {
                let problem = format!("has {} values, the weights have {classes} outputs", thresholds.len());
                return Err(ImportError::tensor(super::names::OPERATING_POINTS, problem));
            }
            Calibration::OpNorm { thresholds }
        }
        (None, None) => Calibration::None,
    };
    let thresholds = thresholds(request, &calibration, classes, &mut notes)?;
    let mut labels: Vec<Label> = Vec::new();
    for (n, (name, threshold)) in spelled.iter().zip(thresholds).enumerate() {
        let trained = !matches!(&calibration, Calibration::OpNorm { thresholds } if thresholds[n].is_nan());
        let name = name.trim();
        let (name, threshold) = match table_name(name) {
            _ if name.is_empty() => (String::new(), f32::NAN),
            _ if !trained || threshold.is_nan() => {
                notes.push(format!("{name} has no operating point and will not be reported"));
                (name.to_owned(), f32::NAN)
            }
            None => {
                notes.push(format!("{name} has no row in the table of findings and will not be reported"));
                (name.to_owned(), f32::NAN)
            }
            Some(row) => {
                if row != name {
                    notes.push(format!("{name} is reported as {row}"));
                }
                (row.to_owned(), threshold)
            }
        };
        if !name.is_empty() && labels.iter().any(|label| label.name == name) {
            return Err(ImportError::flag("--labels", format!("{name:?} comes twice: leave one of the two empty")));
        }
        let region = if threshold.is_nan() { None } else { request.region };
        labels.push(Label::new(&name, threshold, region));
    }
    Ok(Outputs { labels, calibration, notes })
}

/// One label for each output, as the model spells it.
fn spelled(
    request: &Request,
    known: Option<&Known>,
    config: Option<&[String]>,
    classes: usize,
) -> Result<Vec<String>, ImportError> {
    let (source, labels) = match (known, &request.labels, config) {
        (Some(_), Some(_), _) => {
            return Err(ImportError::flag("--labels", "a family has its own labels: leave out one of the two flags"));
        }
        (Some(known), None, _) => ("the family", known.labels.iter().map(|label| (*label).to_owned()).collect()),
        (None, Some(labels), _) => ("--labels", labels.clone()),
        (None, None, Some(labels)) => ("config.json", labels.to_vec()),
        (None, None, None) => {
            let problem = format!(
                "the weights have {classes} outputs, and nothing says what they mean: name the family (--family all, nih, pc, \
                 chex, mimic_nb, mimic_ch, rsna or chexnet), or give {classes} labels with commas between them, empty \
                 where an output is not trained"
            );
            return Err(ImportError::flag("--labels", problem));
        }
    };
    if labels.len() != classes {
        let problem = format!(
            "{source} has {} labels, the weights have {classes} outputs: name another family, or give --labels",
            labels.len()
        );
        return Err(ImportError::flag(if known.is_some() { "--family" } else { "--labels" }, problem));
    }
    Ok(labels)
}

/// Operating points on the calibrated probability.
fn thresholds(
    request: &Request,
    calibration: &Calibration,
    classes: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<f32>, ImportError> {
    match &request.thresholds {
        Some(given) if given.len() == 1 => Ok(vec![given[0]; classes]),
        Some(given) if given.len() == classes => Ok(given.clone()),
        Some(given) => {
            let problem =
                format!("{} values, the weights have {classes} outputs: give one for all or one for each", given.len());
            Err(ImportError::flag("--thresholds", problem))
        }
        // op_norm puts each label's operating point there.
        None if matches!(calibration, Calibration::OpNorm { .. }) => Ok(vec![0.5; classes]),
        None => {
            notes.push(
                "no operating points are known: 0.5 was taken for every label, which is rarely a good one; choose them on \
                 films of your own and give --thresholds"
                    .to_owned(),
            );
            Ok(vec![0.5; classes])
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn request(labels: &str) -> Request {
        let labels = Some(labels.split(',').map(str::to_owned).collect());
        Request { labels, ..Request::new("weights.pt", "models", "site", "1") }
    }

    fn reported(outputs: &Outputs) -> Vec<&str> {
        outputs.labels.iter().filter(|label| label.is_reported()).map(|label| label.name.as_str()).collect()
    }

    #[test]
    fn spellings_of_other_toolkits_find_their_row() {
        for (spelled, row) in [
            ("Pleural Effusion", Some("Effusion")),
            ("pleural_thickening", Some("Pleural_Thickening")),
            ("Enlarged-Cardiomediastinum", Some("Enlarged Cardiomediastinum")),
            (" lung opacity ", Some("Lung Opacity")),
            ("Support Devices", None),
            ("", None),
        ] {
            assert_eq!(table_name(spelled), row, "{spelled}");
        }
    }

    #[test]
    fn operating_points_of_the_file_are_used_where_no_family_is_named() {
        let request = request("Edema,Mass,Hernia");
        let found = outputs(&request, None, None, Some(&[0.1, f32::NAN, 0.3]), 3).unwrap();
        assert!(matches!(&found.calibration, Calibration::OpNorm { thresholds } if thresholds[2] == 0.3));
        assert_eq!(reported(&found), ["Edema", "Hernia"]);
        assert!(found.labels.iter().all(|label| !label.is_reported() || label.threshold() == 0.5));
        assert_eq!(found.notes, ["Mass has no operating point and will not be reported"]);
        let error = outputs(&request, None, None, Some(&[0.1]), 3).unwrap_err().to_string();
        assert!(error.contains("op_threshs") && error.contains("3 outputs"), "{error}");
    }

    #[test]
    fn thresholds_and_calibration_of_the_flags_come_first() {
        let platt = Calibration::Platt { a: vec![1.0, 2.0], b: vec![0.0, 0.1] };
        let flags = request("Edema,Mass");
        let flags = Request { thresholds: Some(vec![0.2, f32::NAN]), calibration: Some(platt.clone()), ..flags };
        let found = outputs(&flags, None, None, Some(&[0.1, 0.1]), 2).unwrap();
        assert_eq!((&found.calibration, reported(&found)), (&platt, vec!["Edema"]));
        assert_eq!(found.labels[0].threshold(), 0.2);
    }
}
