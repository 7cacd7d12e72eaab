//! Answers for the night shift: how the node stands, and where everything of one study is.

use super::super::alerts::AlertSummary;
use super::super::schema::dto;
use super::super::time::Time;
use super::Reason;

dto! {
    /// How the node stands.
    Status {
        /// Our AE title.
        ae_title: String,
        /// Version of the program.
        version: String,
        /// When this was looked up.
        at: Time,
        /// Whether a node works on this data directory.
        running: bool,
        /// What somebody must look at, the most urgent first.
        troubles: Vec<Trouble>,
        /// Where results go, in the order of ae-titles.toml.
        destinations: Vec<DestinationStatus>,
        /// The queue of the analysis.
        analysis: AnalysisStatus,
        /// Alerts that stand, the oldest first.
        alerts: Vec<AlertSummary>,
        /// Free bytes where films and results are kept.
        free_bytes: Option<u64>,
        /// Below so many, calls are refused.
        low_free_bytes: u64,
        /// Below so many, films are refused.
        min_free_bytes: u64,
    }

    /// Something that somebody must look at.
    Trouble {
        /// Name of the destination, where it is about one.
        destination: Option<String>,
        /// What is wrong.
        text: String,
        /// What to do.
        remedy: String,
    }

    /// What a destination has and lacks.
    DestinationStatus {
        /// Name of the peer.
        name: String,
        /// open, resting, down, parked, or removed from ae-titles.toml.
        state: String,
        /// Since when it is down or parked.
        since: Option<Time>,
        /// Results that it does not have yet.
        undelivered: i64,
        /// When the oldest of them was scheduled.
        oldest_at: Option<Time>,
        /// Its age in seconds; 0 if there is none.
        oldest_seconds: i64,
        /// Results that it refused.
        refused: i64,
        /// Results that an operator took out.
        parked: i64,
        /// Results that it answered success for, and has not committed to keep (yet).
        accepted: i64,
        /// Results that it committed to keep.
        committed: i64,
        /// Attempts that failed since the oldest undelivered result was first tried, or since it is down.
        failures: i64,
        /// Why it lacks them, as one word.
        cause: Option<String>,
        /// What went wrong last.
        last_error: Option<String>,
        /// The next attempt, or when it is asked whether it is back.
        next_at: Option<Time>,
        /// Until when it is not called, as ae-titles.toml wants it.
        rests_until: Option<Time>,
        /// The most objects that it gets in a minute.
        objects_per_minute: Option<u32>,
        /// When it last took a result or answered.
        last_ok_at: Option<Time>,
    }

    /// The queue of the analysis.
    AnalysisStatus {
        /// Jobs that wait.
        queued: i64,
        /// Jobs that run.
        running: i64,
        /// Jobs that used up their attempts.
        dead: i64,
        /// For how many seconds the oldest job waits that is due; 0 if none.
        oldest_seconds: i64,
        /// Studies that still receive films.
        receiving: i64,
    }

    /// Where everything of a study's current revision is.
    StudyChain {
        /// Study Instance UID.
        study_uid: String,
        /// receiving, complete, analyzed, skipped or failed.
        state: String,
        /// Its current revision.
        revision: i64,
        /// When the last byte of its last film had come.
        received_at: Option<Time>,
        /// When all its films were durable; their senders are answered after that.
        durable_at: Option<Time>,
        /// When the last of its films was analysed.
        analyzed_at: Option<Time>,
        /// When the quiet period was over.
        closed_at: Option<Time>,
        /// When its result objects were durable.
        built_at: Option<Time>,
        /// When the last destination had accepted the last object; null while one is missing.
        accepted_at: Option<Time>,
        /// When the last destination had committed to keep the last object; null while one has not.
        committed_at: Option<Time>,
        /// What is missing, in words; empty if nothing is.
        missing: Vec<String>,
        /// Its films, in the order of arrival.
        films: Vec<FilmChain>,
        /// Its result objects at each destination.
        results: Vec<ResultChain>,
        /// What destinations were asked to commit to, the oldest first.
        proofs: Vec<ProofChain>,
    }

    /// One film.
    FilmChain {
        /// SOP Instance UID.
        sop_instance: String,
        /// Who sent it.
        calling: String,
        /// When its last byte had come.
        received_at: Time,
        /// When it was durable.
        durable_at: Option<Time>,
        /// When its scores were durable.
        analyzed_at: Option<Time>,
        /// analyzed, skipped or pending.
        status: String,
        /// Why it was skipped.
        reason: Option<Reason>,
    }

    /// One result object at one destination.
    ResultChain {
        /// SOP Instance UID.
        sop_instance: String,
        /// sr, gsps, sc, kos or seg.
        kind: String,
        /// When it was built.
        built_at: Time,
        /// Name of the destination.
        destination: String,
        /// Identifier of the delivery.
        delivery: String,
        /// scheduled, sending, accepted, committed, refused or parked.
        state: String,
        /// Attempts so far.
        attempts: i64,
        /// The next attempt, while it is scheduled.
        next_at: Option<Time>,
        /// What went wrong last.
        last_error: Option<String>,
        /// When the destination answered success.
        accepted_at: Option<Time>,
        /// When it committed to keep it.
        committed_at: Option<Time>,
        /// Transaction UID of that promise.
        transaction_uid: Option<String>,
        /// When it was found there by C-FIND, where there is no promise.
        found_at: Option<Time>,
    }

    /// A request for storage commitment of a study's results.
    ProofChain {
        /// Transaction UID.
        transaction_uid: String,
        /// Name of the destination.
        destination: String,
        /// asking, waiting (for the report), looking (by C-FIND), done, found, unoffered or refused.
        state: String,
        /// How many results it is about.
        instances: i64,
        /// When the destination took the request.
        asked_at: Option<Time>,
        /// While waiting: when the report is overdue.
        due_at: Option<Time>,
        /// When the report came.
        reported_at: Option<Time>,
        /// What went wrong last.
        last_error: Option<String>,
    }
}
