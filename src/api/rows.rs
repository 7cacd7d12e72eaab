//! From rows to answers.

use super::dto::{
    DeliverySummary, HeaderSummary, JobSummary, PredictionSummary, Reason, ResultSummary, Score, StudySummary,
    TimelineEvent, VariantSummary,
};
use super::time::Time;
use crate::store::deliveries::DeliveryRow;
use crate::store::events::EventRow;
use crate::store::jobs::JobRow;
use crate::store::predictions::PredictionRow;
use crate::store::results::ResultRow;
use crate::store::studies::StudyRow;
use crate::store::variants::VariantRow;
use anyhow::{Context as _, Result};
use centinela_domain::gate::SkipReason;
use centinela_domain::instance::InstanceHeader;
use centinela_domain::prediction::{LabelScore, ModelRef, Prediction};
use centinela_domain::priority::Urgency;
use centinela_domain::result::Language;
use centinela_domain::status::DimseStatus;

impl From<StudyRow> for StudySummary {
    fn from(row: StudyRow) -> Self {
        Self {
            study_uid: row.study_uid,
            state: row.state,
            revision: row.revision,
            urgency: Urgency::from_number(row.urgency).as_str().to_owned(),
            first_at: Time(row.first_at),
            last_at: Time(row.last_at),
            quiet_until: Time(row.quiet_until),
            closed_at: row.closed_at.map(Time),
            settled_at: row.settled_at.map(Time),
            reason: row.reason,
        }
    }
}

impl Reason {
    /// The reason in the node's language.
    pub fn new(reason: &SkipReason, language: &Language) -> Self {
        Self { code: reason.code().to_owned(), text: reason.text(language) }
    }
}

impl ResultSummary {
    /// From its row.
    ///
    /// # Errors
    /// If the row was written by an incompatible version.
    pub fn new(row: ResultRow) -> Result<Self> {
        let model: ModelRef = serde_json::from_str(&row.model).context("read the model of a result")?;
        Ok(Self {
            sop_instance: row.sop_instance,
            revision: row.revision,
            kind: row.kind,
            sop_class: row.sop_class,
            series_uid: row.series_uid,
            source: row.source,
            not_analyzed: row.not_analyzed,
            bytes: row.bytes,
            sha256: row.sha256,
            model: model.name,
            model_version: model.version,
            created_at: Time(row.created_at),
            destination: row.destination,
            derived_from: row.derived_from,
            withdrawn_at: row.withdrawn_at.map(Time),
            reason: row.reason,
        })
    }
}

/// The last status of a peer, as a row holds it, in words.
pub(super) fn last_status(code: Option<i64>) -> Option<String> {
    code.and_then(|code| u16::try_from(code).ok()).map(|code| DimseStatus(code).to_string())
}

impl From<DeliveryRow> for DeliverySummary {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            result: row.result,
            destination: row.destination,
            study_uid: row.study_uid,
            state: row.state,
            attempts: row.attempts,
            next_at: Time(row.next_at),
            last_status: last_status(row.last_status),
            last_error: row.last_error,
            cause: row.cause,
            created_at: Time(row.created_at),
            accepted_at: row.accepted_at.map(Time),
        }
    }
}

impl From<JobRow> for JobSummary {
    fn from(row: JobRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            subject: row.subject,
            study_uid: row.study_uid,
            revision: row.revision,
            state: row.state,
            urgency: Urgency::from_number(row.urgency).as_str().to_owned(),
            attempts: row.attempts,
            interruptions: row.interruptions,
            run_at: Time(row.run_at),
            lease_until: row.lease_until.map(Time),
            last_error: row.last_error,
            created_at: Time(row.created_at),
            finished_at: row.finished_at.map(Time),
        }
    }
}

impl TimelineEvent {
    /// From rows, oldest first.
    ///
    /// # Errors
    /// If a row was written by an incompatible version.
    pub fn timeline(rows: Vec<EventRow>) -> Result<Vec<Self>> {
        let (first, mut before) = rows.first().map_or((0, 0), |row| (row.at, row.at));
        let mut timeline = Vec::with_capacity(rows.len());
        for row in rows {
            timeline.push(Self {
                seq: row.seq,
                at: Time(row.at),
                ms: row.at - first,
                step_ms: row.at - before,
                kind: row.kind,
                sop_instance: row.sop_instance,
                detail: serde_json::from_str(&row.detail).context("read the detail of an event")?,
            });
            before = row.at;
        }
        Ok(timeline)
    }
}

impl From<InstanceHeader> for HeaderSummary {
    fn from(header: InstanceHeader) -> Self {
        Self {
            modality: header.modality,
            presentation_intent: header.presentation_intent,
            image_type: header.image_type,
            body_part: header.body_part,
            view_position: header.view_position,
            view_codes: header.view_codes,
            region_codes: header.region_codes,
            patient_orientation: header.patient_orientation,
            species: header.species,
            age_years: header.age_years,
            manufacturer: header.manufacturer,
            model_name: header.model_name,
            rows: header.rows,
            columns: header.columns,
            frames: header.frames,
            samples: header.samples,
            bits_allocated: header.bits_allocated,
            photometric: header.photometric,
            has_pixels: header.has_pixels,
        }
    }
}

impl From<VariantRow> for VariantSummary {
    fn from(row: VariantRow) -> Self {
        Self {
            id: row.id,
            digest: row.digest,
            transfer_syntax: row.transfer_syntax,
            bytes: row.bytes,
            calling: row.calling,
            received_at: Time(row.received_at),
            state: row.state,
            reason: row.reason,
            deleted_at: row.deleted_at.map(Time),
            resolution: row.resolution,
            resolved_at: row.resolved_at.map(Time),
        }
    }
}

impl PredictionSummary {
    /// From its row.
    ///
    /// # Errors
    /// If the row was written by an incompatible version.
    pub fn new(row: PredictionRow) -> Result<Self> {
        let kept: Prediction = serde_json::from_str(&row.scores).context("read the scores of a prediction")?;
        Ok(Self {
            model: kept.model.name,
            version: kept.model.version,
            sha256: row.model_sha256,
            threshold_set: row.threshold_set,
            scores: kept.scores.into_iter().map(Score::from).collect(),
            decode_ms: row.decode_ms,
            predict_ms: row.predict_ms,
            created_at: Time(row.created_at),
        })
    }
}

impl From<LabelScore> for Score {
    fn from(score: LabelScore) -> Self {
        Self {
            present: score.probability >= score.threshold,
            // As the report says it.
            probability: (score.probability * 1000.0).round() / 1000.0,
            threshold: score.threshold,
            regions: score.regions.into_iter().map(|region| region.contour).collect(),
            label: score.label,
        }
    }
}
