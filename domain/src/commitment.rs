//! Storage Commitment Push Model, as values (PS3.4 annex J): what a peer asks us to keep, what we
//! answer, and both as data sets.
//!
//! The request comes from the network: it is read by the bounded walk of [`crate::scan`], which
//! checks every length against the bytes that are there and allocates nothing.

use crate::scan::{Encoding, Token, walk};
use crate::status::DimseStatus;
use crate::uid::Uid;
use dicom_core::Tag;
use std::collections::HashSet;

/// Storage Commitment Push Model SOP Class.
pub const SOP_CLASS: &str = "1.2.840.10008.1.20.1";
/// Its one, well-known instance (PS3.4 section J.3.5).
pub const SOP_INSTANCE: &str = "1.2.840.10008.1.20.1.1";
/// Action type of a request (PS3.4 section J.3.2.1).
pub const REQUEST: u16 = 1;
/// Event type of a report in which everything is committed (PS3.4 section J.3.3.1).
pub const ALL_COMMITTED: u16 = 1;
/// Event type of a report with failures.
pub const SOME_FAILED: u16 = 2;
/// The most references in one request; more are answered by 0x0213.
pub const MAX_REFERENCES: usize = 20_000;
/// The longest request data set, in bytes: room for [`MAX_REFERENCES`] with UIDs of full length.
pub const MAX_BYTES: usize = 4 << 20;

const TRANSACTION: Tag = Tag(0x0008, 0x1195);
const FAILED_SEQUENCE: Tag = Tag(0x0008, 0x1198);
const REFERENCED_SEQUENCE: Tag = Tag(0x0008, 0x1199);
const CLASS: Tag = Tag(0x0008, 0x1150);
const INSTANCE: Tag = Tag(0x0008, 0x1155);
const REASON: Tag = Tag(0x0008, 0x1197);

/// One instance that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Referenced SOP Class UID (0008,1150).
    pub sop_class: Uid,
    /// Referenced SOP Instance UID (0008,1155).
    pub sop_instance: Uid,
}

/// The action information of a request (PS3.4 table J.3-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Transaction UID (0008,1195).
    pub transaction: Uid,
    /// Referenced SOP Sequence (0008,1199), each reference once, at least one.
    pub references: Vec<Reference>,
}

/// Failure Reason (0008,1197) of one instance (PS3.3 section C.14.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureReason(pub u16);

impl FailureReason {
    /// Processing failure: its bytes are damaged or cannot be read.
    pub const PROCESSING_FAILURE: Self = Self(0x0110);
    /// No such object instance: never received, or deleted since.
    pub const NO_SUCH_INSTANCE: Self = Self(0x0112);
    /// Class / instance conflict: it is here under another SOP class.
    pub const CLASS_CONFLICT: Self = Self(0x0119);
}

/// The event information of a report (PS3.4 table J.3-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Transaction UID of the request.
    pub transaction: Uid,
    /// What is kept.
    pub committed: Vec<Reference>,
    /// What is not, and why.
    pub failed: Vec<(Reference, FailureReason)>,
}

impl Request {
    /// Reads the action information.
    ///
    /// # Errors
    /// The status to answer (PS3.7 section 10.1.4.1.10): 0x0115 for a data set that cannot be read
    /// and for an invalid UID, 0x0120 for a missing attribute, 0x0121 for an empty one, 0x0213 for
    /// more than [`MAX_BYTES`] or [`MAX_REFERENCES`].
    pub fn read(data: &[u8], transfer_syntax: &Uid) -> Result<Self, DimseStatus> {
        let reader = Reader::of(data, transfer_syntax)?;
        match (reader.transaction, reader.sequence, reader.references) {
            (None, ..) | (_, false, _) => Err(DimseStatus::MISSING_ATTRIBUTE),
            (Some(_), true, references) if references.is_empty() => Err(DimseStatus::MISSING_ATTRIBUTE_VALUE),
            (Some(transaction), true, references) => Ok(Self { transaction, references }),
        }
    }
}

impl Report {
    /// Reads the event information: what is named twice counts once, and as failed if it is both.
    ///
    /// # Errors
    /// The status to answer (PS3.7 section 10.1.1.1.8), as [`Request::read`].
    pub fn read(data: &[u8], transfer_syntax: &Uid) -> Result<Self, DimseStatus> {
        let reader = Reader::of(data, transfer_syntax)?;
        let transaction = reader.transaction.ok_or(DimseStatus::MISSING_ATTRIBUTE)?;
        if reader.references.is_empty() && reader.failed.is_empty() {
            return Err(DimseStatus::MISSING_ATTRIBUTE);
        }
        let failed: HashSet<&Reference> = reader.failed.iter().map(|(reference, _)| reference).collect();
        let committed = reader.references.iter().filter(|r| !failed.contains(r)).cloned().collect();
        Ok(Self { transaction, committed, failed: reader.failed })
    }
}

/// Collects what the walk shows; keeps the first thing that is wrong.
#[derive(Default)]
struct Reader {
    /// Open sequences and items.
    depth: usize,
    /// The open sequence of the top level is the Referenced SOP Sequence, or the Failed SOP Sequence.
    inside: bool,
    failing: bool,
    reason: Option<FailureReason>,
    failed: Vec<(Reference, FailureReason)>,
    sequence: bool,
    transaction: Option<Uid>,
    class: Option<Uid>,
    instance: Option<Uid>,
    references: Vec<Reference>,
    seen: HashSet<Reference>,
    refused: Option<DimseStatus>,
}

impl Reader {
    fn of(data: &[u8], transfer_syntax: &Uid) -> Result<Self, DimseStatus> {
        if data.len() > MAX_BYTES {
            return Err(DimseStatus::RESOURCE_LIMITATION);
        }
        let (encoding, deflated) = Encoding::of(transfer_syntax.as_str());
        if deflated {
            return Err(DimseStatus::INVALID_ARGUMENT_VALUE);
        }
        let mut reader = Self::default();
        if walk(data, encoding, &mut |token| reader.take(token)).error.is_some() {
            return Err(DimseStatus::INVALID_ARGUMENT_VALUE);
        }
        match reader.refused {
            Some(status) => Err(status),
            None => Ok(reader),
        }
    }

    fn take(&mut self, token: Token<'_>) {
        match token {
            Token::Sequence(tag) => {
                if self.depth == 0 {
                    self.failing = tag == FAILED_SEQUENCE;
                    self.inside = tag == REFERENCED_SEQUENCE || self.failing;
                    self.sequence |= tag == REFERENCED_SEQUENCE;
                }
                self.depth += 1;
            }
            Token::Item => self.depth += 1,
            Token::ItemEnd => {
                self.depth -= 1;
                if self.depth == 1 && self.inside {
                    self.end_reference();
                }
            }
            Token::SequenceEnd => self.depth -= 1,
            Token::Value { tag, bytes, .. } => match (tag, self.depth) {
                (TRANSACTION, 0) => self.transaction = self.uid(bytes),
                (CLASS, 2) if self.inside => self.class = self.uid(bytes),
                (INSTANCE, 2) if self.inside => self.instance = self.uid(bytes),
                (REASON, 2) if self.failing => {
                    self.reason = bytes.try_into().ok().map(|two| FailureReason(u16::from_le_bytes(two)));
                }
                _ => {}
            },
        }
    }

    fn end_reference(&mut self) {
        match (self.class.take(), self.instance.take()) {
            (Some(sop_class), Some(sop_instance)) => {
                let reference = Reference { sop_class, sop_instance };
                let reason = self.reason.take();
                if self.references.len() + self.failed.len() >= MAX_REFERENCES {
                    self.refused.get_or_insert(DimseStatus::RESOURCE_LIMITATION);
                } else if self.failing {
                    self.failed.push((reference, reason.unwrap_or(FailureReason::PROCESSING_FAILURE)));
                } else if self.seen.insert(reference.clone()) {
                    self.references.push(reference);
                }
            }
            _ => {
                self.refused.get_or_insert(DimseStatus::MISSING_ATTRIBUTE);
            }
        }
    }

    fn uid(&mut self, bytes: &[u8]) -> Option<Uid> {
        let read = std::str::from_utf8(bytes).ok().and_then(|text| Uid::parse(text).ok());
        if read.is_none() {
            let empty = bytes.iter().all(|b| matches!(b, 0 | b' '));
            let status = if empty { DimseStatus::MISSING_ATTRIBUTE_VALUE } else { DimseStatus::INVALID_ARGUMENT_VALUE };
            self.refused.get_or_insert(status);
        }
        read
    }
}

impl Request {
    /// The action information in Explicit or else Implicit VR Little Endian, lengths defined.
    #[must_use]
    pub fn encode(&self, explicit: bool) -> Vec<u8> {
        let mut data = Writer { bytes: Vec::new(), explicit };
        data.uid(TRANSACTION, &self.transaction);
        data.sequence(REFERENCED_SEQUENCE, self.references.iter().map(|reference| (reference, None)));
        data.bytes
    }
}

impl Report {
    /// Event type: [`ALL_COMMITTED`] or [`SOME_FAILED`].
    #[must_use]
    pub const fn event_type(&self) -> u16 {
        if self.failed.is_empty() { ALL_COMMITTED } else { SOME_FAILED }
    }

    /// The event information in Explicit or else Implicit VR Little Endian, lengths defined.
    #[must_use]
    pub fn encode(&self, explicit: bool) -> Vec<u8> {
        let failed = self.failed.iter().map(|(reference, reason)| (reference, Some(*reason)));
        let committed = self.committed.iter().map(|reference| (reference, None));
        let mut data = Writer { bytes: Vec::new(), explicit };
        data.uid(TRANSACTION, &self.transaction);
        data.sequence(FAILED_SEQUENCE, failed);
        data.sequence(REFERENCED_SEQUENCE, committed);
        data.bytes
    }
}

struct Writer {
    bytes: Vec<u8>,
    explicit: bool,
}

impl Writer {
    fn tag(&mut self, Tag(group, element): Tag) {
        self.bytes.extend_from_slice(&group.to_le_bytes());
        self.bytes.extend_from_slice(&element.to_le_bytes());
    }

    /// A value with the short length of its VR; at most 64 bytes here.
    fn value(&mut self, tag: Tag, vr: [u8; 2], value: &[u8]) {
        self.tag(tag);
        if self.explicit {
            self.bytes.extend_from_slice(&vr);
            self.bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
        } else {
            self.bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        }
        self.bytes.extend_from_slice(value);
    }

    fn uid(&mut self, tag: Tag, uid: &Uid) {
        let mut value = uid.as_str().as_bytes().to_vec();
        value.resize(value.len().next_multiple_of(2), 0);
        self.value(tag, *b"UI", &value);
    }

    /// A sequence that has items, or nothing.
    fn sequence<'r>(&mut self, tag: Tag, items: impl Iterator<Item = (&'r Reference, Option<FailureReason>)>) {
        let mut body = Self { bytes: Vec::new(), explicit: self.explicit };
        for (reference, reason) in items {
            let mut item = Self { bytes: Vec::new(), explicit: self.explicit };
            item.uid(CLASS, &reference.sop_class);
            item.uid(INSTANCE, &reference.sop_instance);
            if let Some(FailureReason(code)) = reason {
                item.value(REASON, *b"US", &code.to_le_bytes());
            }
            body.tag(Tag(0xFFFE, 0xE000));
            body.bytes.extend_from_slice(&(item.bytes.len() as u32).to_le_bytes());
            body.bytes.extend_from_slice(&item.bytes);
        }
        if body.bytes.is_empty() {
            return;
        }
        self.tag(tag);
        if self.explicit {
            self.bytes.extend_from_slice(b"SQ\0\0");
        }
        self.bytes.extend_from_slice(&(body.bytes.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&body.bytes);
    }
}

/// What follows from the peer's answer to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It took the report.
    Taken,
    /// It could not now: tell it again later.
    Later,
    /// It does not want it: the transaction is unknown there, for example.
    Refused,
}

impl Heard {
    /// By the status of the N-EVENT-REPORT response (PS3.7 section 10.1.1.1.8).
    #[must_use]
    pub const fn of(status: DimseStatus) -> Self {
        match status.0 {
            0x0000 | 0x0001 | 0x0107 | 0x0116 | 0xB000..=0xBFFF => Self::Taken,
            0x0110 | 0x0213 | 0xA700..=0xA7FF => Self::Later,
            _ => Self::Refused,
        }
    }
}
