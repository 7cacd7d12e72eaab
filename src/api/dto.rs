//! The answers, as structs of their own: rows may change without the API, and what is not named
//! here (names, dates of birth, descriptions, digests of identities) cannot leave by accident.

mod peers;
mod status;

pub use peers::{PeerList, PeerSummary, ProbeSummary};
pub use status::{AnalysisStatus, DestinationStatus, FilmChain, ProofChain, ResultChain, Status, StudyChain, Trouble};

use super::schema::dto;
use super::time::Time;
use serde_json::Value;
use std::collections::BTreeMap;

dto! {
    /// A study as it stands.
    StudySummary {
        /// Study Instance UID.
        study_uid: String,
        /// receiving, complete, analyzed, skipped or failed.
        state: String,
        /// Current revision, from 1; a late film that is analysed opens the next.
        revision: i64,
        /// stat, routine or low: the highest of its films.
        urgency: String,
        /// First instance.
        first_at: Time,
        /// Latest instance.
        last_at: Time,
        /// A receiving study closes then, if nothing more arrives.
        quiet_until: Time,
        /// When the current revision closed.
        closed_at: Option<Time>,
        /// When the current revision was analysed, skipped or failed.
        settled_at: Option<Time>,
        /// Why it was skipped or failed, in words.
        reason: Option<String>,
    }

    /// Studies, the latest first.
    StudyPage {
        /// The studies of this page.
        studies: Vec<StudySummary>,
        /// Path and query of the next page; null on the last one.
        next: Option<String>,
    }

    /// Why a film was not analysed.
    Reason {
        /// Stable code, for programs.
        code: String,
        /// The same in words.
        text: String,
    }

    /// What a model says of one label on one film.
    Score {
        /// The label.
        label: String,
        /// Calibrated probability, 0 to 1, rounded to 0.001.
        probability: f32,
        /// Operating point, 0 to 1.
        threshold: f32,
        /// Whether the probability reaches the operating point.
        present: bool,
        /// Closed contours on the original pixel grid, [x, y] from the top left corner.
        regions: Vec<Vec<[f32; 2]>>,
    }

    /// What a model says of one film.
    PredictionSummary {
        /// Name of the model.
        model: String,
        /// Version of the model.
        version: String,
        /// SHA-256 of its weights.
        sha256: String,
        /// Digest of its labels, thresholds and calibration.
        threshold_set: String,
        /// One score for each label.
        scores: Vec<Score>,
        /// Milliseconds of decoding.
        decode_ms: i64,
        /// Milliseconds from the decoded film to its scores and picture.
        predict_ms: i64,
        /// When.
        created_at: Time,
    }

    /// An instance of a study.
    StudyInstance {
        /// SOP Instance UID.
        sop_instance: String,
        /// Series Instance UID.
        series_uid: String,
        /// SOP Class UID.
        sop_class: String,
        /// Modality (0008,0060).
        modality: Option<String>,
        /// View Position (0018,5101).
        view_position: Option<String>,
        /// Size of the file.
        bytes: i64,
        /// When its C-STORE was complete.
        received_at: Time,
        /// The study revision that reports it; null for a late instance that changed nothing.
        revision: Option<i64>,
        /// analyzed, skipped or pending.
        status: String,
        /// Why it was skipped.
        reason: Option<Reason>,
        /// What the gate did not know: body_part, age, view.
        unknowns: Vec<String>,
        /// What models said of it.
        predictions: Vec<PredictionSummary>,
        /// When retention deleted its bytes.
        deleted_at: Option<Time>,
    }

    /// A result object.
    ResultSummary {
        /// SOP Instance UID.
        sop_instance: String,
        /// Study revision that it reports.
        revision: i64,
        /// sr, gsps, sc, kos or seg; note for a key object selection that takes results back.
        kind: String,
        /// SOP Class UID.
        sop_class: String,
        /// Series Instance UID.
        series_uid: String,
        /// SOP Instance UID of the film, for kinds that exist once for each film.
        source: Option<String>,
        /// Whether it says that nothing was analysed.
        not_analyzed: bool,
        /// Size of the file.
        bytes: i64,
        /// SHA-256 of the file.
        sha256: String,
        /// Name of the model.
        model: String,
        /// Version of the model.
        model_version: String,
        /// When it was built.
        created_at: Time,
        /// The destination that it was made for, if not for all.
        destination: Option<String>,
        /// SOP Instance UID of the result that it says the same as, in a class that the destination takes.
        derived_from: Option<String>,
        /// When it was taken back; null while it counts.
        withdrawn_at: Option<Time>,
        /// Of a note: why, as the operator said it.
        reason: Option<String>,
    }

    /// What taking the results of a study back set in motion.
    Withdrawal {
        /// Study Instance UID.
        study_uid: String,
        /// How many results no longer count.
        results: u64,
        /// Deliveries that will not be made.
        deliveries: u64,
        /// SOP Instance UIDs of the notes, one for each set of results that a destination has.
        notes: Vec<String>,
        /// Who gets a note.
        destinations: Vec<String>,
    }

    /// A result on its way to a destination.
    DeliverySummary {
        /// Identifier.
        id: String,
        /// SOP Instance UID of the result.
        result: String,
        /// Name of the peer.
        destination: String,
        /// Study Instance UID.
        study_uid: String,
        /// scheduled, sending, accepted, committed, refused or parked.
        state: String,
        /// Attempts so far.
        attempts: i64,
        /// A scheduled one is not tried before.
        next_at: Time,
        /// Last DIMSE status, such as 0x0000.
        last_status: Option<String>,
        /// What went wrong last.
        last_error: Option<String>,
        /// The same as one word, such as status, no_context or silent; null once it is accepted.
        cause: Option<String>,
        /// When it was scheduled.
        created_at: Time,
        /// When the destination answered success.
        accepted_at: Option<Time>,
    }

    /// A step of the analysis.
    JobSummary {
        /// Identifier.
        id: String,
        /// predict, report or compare.
        kind: String,
        /// What it is about: an instance, a study or a variant.
        subject: String,
        /// Study Instance UID.
        study_uid: String,
        /// Revision of the study.
        revision: i64,
        /// queued, running, done or dead.
        state: String,
        /// stat, routine or low: that of its study. What waits longer passes what is more urgent.
        urgency: String,
        /// Attempts that ended with an error.
        attempts: i64,
        /// Attempts that ended with the process.
        interruptions: i64,
        /// A queued one does not run before.
        run_at: Time,
        /// A running one is taken over then, unless its worker says that it lives.
        lease_until: Option<Time>,
        /// Why the last attempt failed.
        last_error: Option<String>,
        /// When it was enqueued.
        created_at: Time,
        /// When it ended.
        finished_at: Option<Time>,
    }

    /// Something that happened.
    EventSummary {
        /// Position in the feed of the node.
        seq: i64,
        /// When.
        at: Time,
        /// What happened, such as call_refused, films_deleted, quarantined.
        kind: String,
        /// The study, if it is about one.
        study_uid: Option<String>,
        /// The instance or result, if it is about one.
        sop_instance: Option<String>,
        /// Ids and numbers, by kind.
        detail: Value,
    }

    /// Events, the latest first.
    EventList {
        /// The events.
        events: Vec<EventSummary>,
    }

    /// Something that happened to a study.
    TimelineEvent {
        /// Position in the feed of the node.
        seq: i64,
        /// When.
        at: Time,
        /// Milliseconds since the first event of the study.
        ms: i64,
        /// Milliseconds since the event before.
        step_ms: i64,
        /// What happened, such as received, predicted, results_built, delivered.
        kind: String,
        /// The instance or result, if it is about one.
        sop_instance: Option<String>,
        /// Ids and numbers, by kind.
        detail: Value,
    }

    /// Milliseconds of one film's analysis.
    FilmMilliseconds {
        /// SOP Instance UID.
        sop_instance: String,
        /// From the end of its C-STORE until its scores were kept.
        after_received: i64,
        /// Of these, decoding.
        decode_ms: i64,
        /// Of these, inference.
        predict_ms: i64,
    }

    /// Milliseconds of each step of the current revision; null where a step has not happened (yet).
    Milliseconds {
        /// From its first to its last instance.
        received: Option<i64>,
        /// The analysis of each of its films.
        predicted: Vec<FilmMilliseconds>,
        /// From its last instance until it closed: the quiet period.
        closed: Option<i64>,
        /// From closing until its objects, or the decision to make none, were durable.
        built: Option<i64>,
        /// For each destination: from then until it had the last object.
        delivered: BTreeMap<String, Option<i64>>,
        /// From its last instance until every destination had every object.
        total: Option<i64>,
    }

    /// Everything that is known of a study.
    StudyDetail {
        /// The study.
        study: StudySummary,
        /// Its instances in the order of arrival.
        instances: Vec<StudyInstance>,
        /// Its result objects, revision by revision.
        results: Vec<ResultSummary>,
        /// Where they went.
        deliveries: Vec<DeliverySummary>,
        /// Its jobs, the latest first.
        jobs: Vec<JobSummary>,
        /// What happened, oldest first.
        timeline: Vec<TimelineEvent>,
        /// How long each step took.
        milliseconds: Milliseconds,
    }

    /// The indexed attributes of an instance that say nothing of who the patient is.
    HeaderSummary {
        /// Modality (0008,0060).
        modality: Option<String>,
        /// Presentation Intent Type (0008,0068).
        presentation_intent: Option<String>,
        /// Image Type (0008,0008).
        image_type: Vec<String>,
        /// Body Part Examined (0018,0015).
        body_part: Option<String>,
        /// View Position (0018,5101).
        view_position: Option<String>,
        /// View Code Sequence (0054,0220) as scheme:value.
        view_codes: Vec<String>,
        /// Anatomic Region Sequence (0008,2218) as scheme:value.
        region_codes: Vec<String>,
        /// Patient Orientation (0020,0020).
        patient_orientation: Vec<String>,
        /// Species, as scheme:value or in words.
        species: Option<String>,
        /// Age in whole years.
        age_years: Option<u16>,
        /// Manufacturer (0008,0070).
        manufacturer: Option<String>,
        /// Manufacturer's Model Name (0008,1090).
        model_name: Option<String>,
        /// Rows (0028,0010).
        rows: Option<u32>,
        /// Columns (0028,0011).
        columns: Option<u32>,
        /// Number of Frames (0028,0008).
        frames: Option<u32>,
        /// Samples per Pixel (0028,0002).
        samples: Option<u16>,
        /// Bits Allocated (0028,0100).
        bits_allocated: Option<u16>,
        /// Photometric Interpretation (0028,0004).
        photometric: Option<String>,
        /// Whether there is Pixel Data.
        has_pixels: bool,
    }

    /// Other bytes that came under the same SOP Instance UID.
    VariantSummary {
        /// Identifier.
        id: String,
        /// Digest of the data set, with its algorithm: `blake3:` and hexadecimal.
        digest: String,
        /// Transfer Syntax UID.
        transfer_syntax: String,
        /// Size of the file.
        bytes: i64,
        /// Calling AE title.
        calling: String,
        /// When it arrived.
        received_at: Time,
        /// pending, variant (same pixels, same patient) or quarantined.
        state: String,
        /// What the comparison found, in words.
        reason: Option<String>,
        /// When retention deleted its bytes.
        deleted_at: Option<Time>,
        /// What a person decided about a quarantined one: kept_first, take_second (not done yet) or
        /// took_second; then these are the former first bytes.
        resolution: Option<String>,
        /// When.
        resolved_at: Option<Time>,
    }

    /// Everything that is known of an instance.
    InstanceDetail {
        /// SOP Instance UID.
        sop_instance: String,
        /// Study Instance UID.
        study_uid: String,
        /// Series Instance UID.
        series_uid: String,
        /// SOP Class UID.
        sop_class: String,
        /// Transfer Syntax UID as received.
        transfer_syntax: String,
        /// Size of the file.
        bytes: i64,
        /// Digest of the data set, with its algorithm: `blake3:` and hexadecimal.
        digest: String,
        /// Calling AE title.
        calling: String,
        /// Called AE title.
        called: String,
        /// Address of the sender.
        peer: String,
        /// DIMSE priority: high, medium or low.
        priority: String,
        /// When its C-STORE was complete.
        received_at: Time,
        /// The study revision that reports it; null for a late instance that changed nothing.
        revision: Option<i64>,
        /// Whether it is a chest film, if known.
        chest: Option<bool>,
        /// analyzed, skipped or pending.
        status: String,
        /// Why it was skipped.
        reason: Option<Reason>,
        /// What the gate did not know: body_part, age, view.
        unknowns: Vec<String>,
        /// Its indexed attributes.
        header: HeaderSummary,
        /// When retention deleted its bytes; everything else stays.
        deleted_at: Option<Time>,
        /// When a check found that its bytes are not what was received; sent again it is whole again.
        damaged_at: Option<Time>,
        /// Other bytes that came under its UID.
        variants: Vec<VariantSummary>,
        /// What models said of it.
        predictions: Vec<PredictionSummary>,
    }

    /// Jobs, the latest first.
    JobList {
        /// The jobs.
        jobs: Vec<JobSummary>,
    }

    /// Deliveries, the oldest first.
    DeliveryList {
        /// The deliveries.
        deliveries: Vec<DeliverySummary>,
    }

    /// An output of a model.
    LabelSummary {
        /// Its name.
        name: String,
        /// Operating point on the calibrated probability, 0 to 1.
        threshold: f32,
    }

    /// A loaded model.
    ModelSummary {
        /// Name of the package.
        name: String,
        /// Version of the package.
        version: String,
        /// Title for people, as in the reports.
        title: String,
        /// Who made it.
        manufacturer: String,
        /// SHA-256 of the weights.
        sha256: String,
        /// Digest of labels, thresholds and calibration.
        threshold_set: String,
        /// Side of the square input in pixels.
        input_size: u32,
        /// Youngest age that it was made for, inclusive.
        age_min: u16,
        /// Oldest age that it was made for, inclusive.
        age_max: u16,
        /// Its outputs, in the order of the model.
        labels: Vec<LabelSummary>,
    }

    /// The models that this process has loaded: none where `enabled` of `analyze` is false.
    ModelList {
        /// The models.
        models: Vec<ModelSummary>,
    }

    /// What the retry of a study set in motion.
    StudyRetry {
        /// Study Instance UID.
        study_uid: String,
        /// Dead jobs that run again.
        jobs: u64,
        /// Films of these that are scored again.
        films: u64,
    }
}
