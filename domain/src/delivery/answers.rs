//! What a destination's answer to C-STORE means for a delivery: one table, read by the sender, by
//! the documentation and by the operator (PS3.4 table B.2-1, PS3.7 section 9.1.1.1.9 and annex C).

use crate::status::DimseStatus;

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// The destination has the object.
    Delivered,
    /// It has the object and remarked on something; the remark is recorded.
    DeliveredWithWarning,
    /// It had the object before. Results have derived UIDs and fixed bytes, so that was ours.
    AlreadyThere,
    /// It could not take the object now: tried again, without a limit on the number of tries.
    Retry,
    /// It does not want the object: parked and shown until somebody changes something.
    Park,
}

impl Treatment {
    /// For people and for the conformance statement.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::DeliveredWithWarning => "delivered, with a warning",
            Self::AlreadyThere => "delivered before",
            Self::Retry => "tried again",
            Self::Park => "refused: parked",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// First status of the row.
    pub from: u16,
    /// Last status of the row.
    pub to: u16,
    /// The standard's words.
    pub meaning: &'static str,
    /// Where they stand.
    pub reference: &'static str,
    /// What we do.
    pub treatment: Treatment,
    /// What the operator can do; empty where there is nothing to do.
    pub remedy: &'static str,
}

const fn answer(
    from: u16,
    to: u16,
    meaning: &'static str,
    reference: &'static str,
    treatment: Treatment,
    remedy: &'static str,
) -> Answer {
    Answer { from, to, meaning, reference, treatment, remedy }
}

/// Every status that the standard names for C-STORE, the narrow ranges before the wide ones.
pub const ANSWERS: [Answer; 23] = {
    use Treatment::{AlreadyThere, Delivered, DeliveredWithWarning, Park, Retry};
    const STORE: &str = "PS3.4 table B.2-1";
    const OUR_OBJECT: &str = "the destination finds fault with the object: report it, with the events of the study";
    const SPACE: &str = "look at the destination's disk and its limits";
    [
        answer(0x0000, 0x0000, "Success", STORE, Delivered, ""),
        answer(
            0x0001,
            0x0001,
            "Requested optional attributes are not supported",
            "PS3.7 annex C",
            DeliveredWithWarning,
            "",
        ),
        answer(0x0107, 0x0107, "Attribute list error", "PS3.7 annex C", DeliveredWithWarning, ""),
        answer(0x0116, 0x0116, "Attribute value out of range", "PS3.7 annex C", DeliveredWithWarning, ""),
        answer(0xB000, 0xB000, "Coercion of data elements", STORE, DeliveredWithWarning, ""),
        answer(0xB006, 0xB006, "Elements discarded", STORE, DeliveredWithWarning, ""),
        answer(0xB007, 0xB007, "Data set does not match SOP class", STORE, DeliveredWithWarning, ""),
        answer(0xB000, 0xBFFF, "Warning", "PS3.7 annex C", DeliveredWithWarning, ""),
        answer(0x0111, 0x0111, "Duplicate SOP instance", "PS3.7 annex C", AlreadyThere, ""),
        answer(0x0110, 0x0110, "Processing failure", "PS3.7 annex C", Retry, "look at the destination's log"),
        answer(0x0210, 0x0210, "Duplicate invocation", "PS3.7 annex C", Retry, ""),
        answer(0x0213, 0x0213, "Resource limitation", "PS3.7 annex C", Retry, SPACE),
        answer(0xA700, 0xA7FF, "Refused: out of resources", STORE, Retry, SPACE),
        answer(0xFE00, 0xFE00, "Cancel", "PS3.7 annex C", Retry, ""),
        answer(0x0117, 0x0117, "Invalid SOP instance", "PS3.7 annex C", Park, OUR_OBJECT),
        answer(
            0x0118,
            0x0118,
            "No such SOP class",
            "PS3.7 annex C",
            Park,
            "let the destination store this class, or change deliver for it",
        ),
        answer(
            0x0122,
            0x0122,
            "Refused: SOP class not supported",
            "PS3.7 annex C",
            Park,
            "let the destination store this class, or change deliver for it",
        ),
        answer(
            0x0124,
            0x0124,
            "Refused: not authorized",
            "PS3.7 annex C",
            Park,
            "let our AE title store at the destination, then retry",
        ),
        answer(
            0x0211,
            0x0211,
            "Unrecognized operation",
            "PS3.7 annex C",
            Park,
            "the destination does not store at all",
        ),
        answer(0x0212, 0x0212, "Mistyped argument", "PS3.7 annex C", Park, OUR_OBJECT),
        answer(0xA900, 0xA9FF, "Error: data set does not match SOP class", STORE, Park, OUR_OBJECT),
        answer(0xC000, 0xCFFF, "Error: cannot understand", STORE, Park, OUR_OBJECT),
        answer(0x0100, 0x02FF, "Failure", "PS3.7 annex C", Park, "look at the destination's log, then retry"),
    ]
};

/// The row for a status. One that the standard does not know is taken for a refusal: shown, never lost.
#[must_use]
pub fn answer_of(status: DimseStatus) -> Option<&'static Answer> {
    ANSWERS.iter().find(|row| (row.from..=row.to).contains(&status.0))
}

/// What we do about a status.
#[must_use]
pub fn treatment_of(status: DimseStatus) -> Treatment {
    answer_of(status).map_or(Treatment::Park, |row| row.treatment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_row_that_names_it() {
        for (status, treatment, meaning) in [
            (0x0000, Treatment::Delivered, "Success"),
            (0xB000, Treatment::DeliveredWithWarning, "Coercion of data elements"),
            (0xB007, Treatment::DeliveredWithWarning, "Data set does not match SOP class"),
            (0xB123, Treatment::DeliveredWithWarning, "Warning"),
            (0x0111, Treatment::AlreadyThere, "Duplicate SOP instance"),
            (0x0110, Treatment::Retry, "Processing failure"),
            (0xA700, Treatment::Retry, "Refused: out of resources"),
            (0xA7FE, Treatment::Retry, "Refused: out of resources"),
            (0x0122, Treatment::Park, "Refused: SOP class not supported"),
            (0x0124, Treatment::Park, "Refused: not authorized"),
            (0xC000, Treatment::Park, "Error: cannot understand"),
            (0x0105, Treatment::Park, "Failure"),
        ] {
            let row = answer_of(DimseStatus(status)).map(|row| (row.treatment, row.meaning));
            assert_eq!(row, Some((treatment, meaning)), "{status:04X}");
        }
        assert_eq!(answer_of(DimseStatus(0x7777)), None);
        assert_eq!(treatment_of(DimseStatus(0x7777)), Treatment::Park);
    }

    #[test]
    fn what_the_status_type_calls_stored_is_delivered() {
        for status in 0..=u16::MAX {
            let stored = DimseStatus(status).is_stored();
            let delivered =
                matches!(treatment_of(DimseStatus(status)), Treatment::Delivered | Treatment::DeliveredWithWarning);
            assert_eq!(stored, delivered, "{status:04X}");
        }
    }

    #[test]
    fn a_narrow_row_is_never_hidden_by_a_wide_one() {
        for (n, row) in ANSWERS.iter().enumerate() {
            assert!(row.from <= row.to && !row.meaning.is_empty() && !row.reference.is_empty());
            assert_eq!(
                answer_of(DimseStatus(row.from)).map(|found| found.to),
                match n {
                    // The wide row of warnings begins where coercion stands.
                    7 => Some(0xB000),
                    _ => Some(row.to),
                }
            );
            let shown = row.treatment != Treatment::Park || !row.remedy.is_empty();
            assert!(shown, "{:04X} is parked without a remedy", row.from);
        }
    }
}
