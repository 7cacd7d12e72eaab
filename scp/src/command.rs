//! DIMSE command sets: a small bounded parser and the commands that we send (PS3.7 section 6.3.1
//! and annex E). Always Implicit VR Little Endian, group 0000.

use centinela_domain::commitment;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::{Uid, UidError};

/// The longest command set that is taken from a peer, in bytes.
pub(crate) const COMMAND_LIMIT: usize = 16 * 1024;

/// Command fields (PS3.7 annex E).
pub(crate) mod field {
    pub(crate) const C_STORE_RQ: u16 = 0x0001;
    pub(crate) const C_STORE_RSP: u16 = 0x8001;
    pub(crate) const C_FIND_RQ: u16 = 0x0020;
    pub(crate) const C_FIND_RSP: u16 = 0x8020;
    pub(crate) const C_ECHO_RQ: u16 = 0x0030;
    pub(crate) const C_ECHO_RSP: u16 = 0x8030;
    pub(crate) const N_EVENT_REPORT_RQ: u16 = 0x0100;
    pub(crate) const N_EVENT_REPORT_RSP: u16 = 0x8100;
    pub(crate) const N_ACTION_RQ: u16 = 0x0130;
    pub(crate) const N_ACTION_RSP: u16 = 0x8130;
    pub(crate) const C_CANCEL_RQ: u16 = 0x0FFF;
    /// Set in every response.
    pub(crate) const RESPONSE: u16 = 0x8000;
}

const AFFECTED_CLASS: u16 = 0x0002;
const REQUESTED_CLASS: u16 = 0x0003;
const COMMAND_FIELD: u16 = 0x0100;
const MESSAGE_ID: u16 = 0x0110;
const RESPONDED_ID: u16 = 0x0120;
const PRIORITY: u16 = 0x0700;
const DATA_SET_TYPE: u16 = 0x0800;
const STATUS: u16 = 0x0900;
const AFFECTED_INSTANCE: u16 = 0x1000;
const REQUESTED_INSTANCE: u16 = 0x1001;
const EVENT_TYPE: u16 = 0x1002;
const ACTION_TYPE: u16 = 0x1008;
/// Value of the Command Data Set Type that means: no data set follows.
const NO_DATA_SET: u16 = 0x0101;

/// The elements of a command set that this node looks at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandSet {
    /// Command Field (0000,0100).
    pub(crate) field: u16,
    /// Message ID (0000,0110).
    pub(crate) message_id: Option<u16>,
    /// Message ID Being Responded To (0000,0120).
    pub(crate) responded_id: Option<u16>,
    /// Priority (0000,0700).
    pub(crate) priority: Option<u16>,
    /// Whether a data set follows, by Command Data Set Type (0000,0800).
    pub(crate) data_set: bool,
    /// Status (0000,0900).
    pub(crate) status: Option<DimseStatus>,
    /// Affected SOP Class UID (0000,0002).
    pub(crate) sop_class: Option<Result<Uid, UidError>>,
    /// Affected SOP Instance UID (0000,1000).
    pub(crate) sop_instance: Option<Result<Uid, UidError>>,
    /// Requested SOP Class UID (0000,0003), of N-ACTION.
    pub(crate) requested_class: Option<Result<Uid, UidError>>,
    /// Requested SOP Instance UID (0000,1001), of N-ACTION.
    pub(crate) requested_instance: Option<Result<Uid, UidError>>,
    /// Event Type ID (0000,1002).
    pub(crate) event_type: Option<u16>,
    /// Action Type ID (0000,1008).
    pub(crate) action_type: Option<u16>,
}

impl CommandSet {
    /// Parses a whole command set. `None` if it is not one: an element outside group 0000 or
    /// beyond the end, a number of a wrong size, or no Command Field.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut set = Self::default();
        let mut has_field = false;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at_checked(8)?;
            if head[..2] != [0, 0] {
                return None;
            }
            let element = u16::from_le_bytes([head[2], head[3]]);
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            let (value, tail) = tail.split_at_checked(usize::try_from(length).ok()?)?;
            rest = tail;
            match element {
                COMMAND_FIELD => {
                    set.field = number(value)?;
                    has_field = true;
                }
                MESSAGE_ID => set.message_id = Some(number(value)?),
                RESPONDED_ID => set.responded_id = Some(number(value)?),
                PRIORITY => set.priority = Some(number(value)?),
                DATA_SET_TYPE => set.data_set = number(value)? != NO_DATA_SET,
                STATUS => set.status = Some(DimseStatus(number(value)?)),
                AFFECTED_CLASS => set.sop_class = Some(uid(value)),
                AFFECTED_INSTANCE => set.sop_instance = Some(uid(value)),
                REQUESTED_CLASS => set.requested_class = Some(uid(value)),
                REQUESTED_INSTANCE => set.requested_instance = Some(uid(value)),
                EVENT_TYPE => set.event_type = Some(number(value)?),
                ACTION_TYPE => set.action_type = Some(number(value)?),
                _ => {}
            }
        }
        has_field.then_some(set)
    }
}

fn number(value: &[u8]) -> Option<u16> {
    Some(u16::from_le_bytes(value.try_into().ok()?))
}

fn uid(value: &[u8]) -> Result<Uid, UidError> {
    Uid::parse(std::str::from_utf8(value).map_err(|_| UidError::Malformed)?)
}

/// C-ECHO-RQ (PS3.7 section 9.3.5.1).
pub(crate) fn echo_request(message_id: u16, sop_class: &Uid) -> Vec<u8> {
    Encoder::new()
        .uid(AFFECTED_CLASS, Some(sop_class))
        .number(COMMAND_FIELD, field::C_ECHO_RQ)
        .number(MESSAGE_ID, message_id)
        .number(DATA_SET_TYPE, NO_DATA_SET)
        .finish()
}

/// C-STORE-RQ of medium priority (PS3.7 section 9.3.1.1).
pub(crate) fn store_request(message_id: u16, sop_class: &Uid, sop_instance: &Uid) -> Vec<u8> {
    Encoder::new()
        .uid(AFFECTED_CLASS, Some(sop_class))
        .number(COMMAND_FIELD, field::C_STORE_RQ)
        .number(MESSAGE_ID, message_id)
        .number(PRIORITY, 0)
        .number(DATA_SET_TYPE, 0x0001)
        .uid(AFFECTED_INSTANCE, Some(sop_instance))
        .finish()
}

/// C-FIND-RQ of medium priority (PS3.7 section 9.3.2.1).
pub(crate) fn find_request(message_id: u16, sop_class: &Uid) -> Vec<u8> {
    Encoder::new()
        .uid(AFFECTED_CLASS, Some(sop_class))
        .number(COMMAND_FIELD, field::C_FIND_RQ)
        .number(MESSAGE_ID, message_id)
        .number(PRIORITY, 0)
        .number(DATA_SET_TYPE, 0x0001)
        .finish()
}

/// N-EVENT-REPORT-RQ of the Storage Commitment Push Model (PS3.7 section 10.3.1.1).
pub(crate) fn event_report_request(message_id: u16, event_type: u16) -> Vec<u8> {
    let constant = |uid| Uid::parse(uid).ok();
    Encoder::new()
        .uid(AFFECTED_CLASS, constant(commitment::SOP_CLASS).as_ref())
        .number(COMMAND_FIELD, field::N_EVENT_REPORT_RQ)
        .number(MESSAGE_ID, message_id)
        .number(DATA_SET_TYPE, 0x0001)
        .uid(AFFECTED_INSTANCE, constant(commitment::SOP_INSTANCE).as_ref())
        .number(EVENT_TYPE, event_type)
        .finish()
}

/// N-ACTION-RQ of the Storage Commitment Push Model (PS3.7 section 10.3.4.1).
pub(crate) fn action_request(message_id: u16, action_type: u16) -> Vec<u8> {
    let constant = |uid| Uid::parse(uid).ok();
    Encoder::new()
        .uid(REQUESTED_CLASS, constant(commitment::SOP_CLASS).as_ref())
        .number(COMMAND_FIELD, field::N_ACTION_RQ)
        .number(MESSAGE_ID, message_id)
        .number(DATA_SET_TYPE, 0x0001)
        .uid(REQUESTED_INSTANCE, constant(commitment::SOP_INSTANCE).as_ref())
        .number(ACTION_TYPE, action_type)
        .finish()
}

/// The response, without a data set, to `request`; UIDs are echoed where they are valid. What was
/// requested is called affected in the response (PS3.7 section 10.3.4.2).
pub(crate) fn response(request: &CommandSet, message_id: u16, status: DimseStatus) -> Vec<u8> {
    let valid = |uids: [&Option<Result<Uid, UidError>>; 2]| uids.into_iter().flatten().find_map(|u| u.clone().ok());
    let mut answer = Encoder::new()
        .uid(AFFECTED_CLASS, valid([&request.sop_class, &request.requested_class]).as_ref())
        .number(COMMAND_FIELD, request.field | field::RESPONSE)
        .number(RESPONDED_ID, message_id)
        .number(DATA_SET_TYPE, NO_DATA_SET)
        .number(STATUS, status.0)
        .uid(AFFECTED_INSTANCE, valid([&request.sop_instance, &request.requested_instance]).as_ref());
    for (element, kind) in [(EVENT_TYPE, request.event_type), (ACTION_TYPE, request.action_type)] {
        if let Some(kind) = kind {
            answer = answer.number(element, kind);
        }
    }
    answer.finish()
}

/// Writes elements in the order of the calls, which must be ascending.
struct Encoder(Vec<u8>);

impl Encoder {
    /// Starts with the Command Group Length (0000,0000), whose value comes at the end.
    fn new() -> Self {
        Self(vec![0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0])
    }

    fn number(self, element: u16, value: u16) -> Self {
        self.element(element, &value.to_le_bytes())
    }

    fn uid(self, element: u16, uid: Option<&Uid>) -> Self {
        let Some(uid) = uid else { return self };
        let mut text = uid.as_str().as_bytes().to_vec();
        if text.len() % 2 == 1 {
            text.push(0);
        }
        self.element(element, &text)
    }

    fn element(mut self, element: u16, value: &[u8]) -> Self {
        self.0.extend_from_slice(&[0, 0]);
        self.0.extend_from_slice(&element.to_le_bytes());
        self.0.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.0.extend_from_slice(value);
        self
    }

    fn finish(mut self) -> Vec<u8> {
        let length = self.0.len() as u32 - 12;
        self.0[8..12].copy_from_slice(&length.to_le_bytes());
        self.0
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_the_parser(bytes in proptest::collection::vec(0_u8..20, 0..300)) {
            let _ = CommandSet::parse(&bytes);
        }

        #[test]
        fn one_changed_byte_does_not_panic_the_parser(at in 0_usize..100, byte: u8) {
            let mut bytes = store();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = CommandSet::parse(&bytes);
        }
    }

    fn store() -> Vec<u8> {
        let class = Uid::parse("1.2.840.10008.5.1.4.1.1.1").unwrap();
        store_request(7, &class, &Uid::parse("1.2.3").unwrap())
    }

    #[test]
    fn a_request_is_read_back() {
        let set = CommandSet::parse(&store()).unwrap();
        assert_eq!(set.field, field::C_STORE_RQ);
        assert_eq!(set.message_id, Some(7));
        assert!(set.data_set);
        assert_eq!(set.sop_instance, Some(Uid::parse("1.2.3")));
        let answer = response(&set, 7, DimseStatus::OUT_OF_RESOURCES);
        let answer = CommandSet::parse(&answer).unwrap();
        assert_eq!(answer.field, field::C_STORE_RSP);
        assert_eq!(answer.responded_id, Some(7));
        assert_eq!(answer.status, Some(DimseStatus::OUT_OF_RESOURCES));
        assert!(!answer.data_set);
    }

    #[test]
    fn no_prefix_and_no_lie_is_taken() {
        let whole = store();
        for cut in 0..whole.len() {
            // A cut between two elements is well-formed; what it lost is seen by the caller.
            if let Some(set) = CommandSet::parse(&whole[..cut]) {
                assert_ne!(set, CommandSet::parse(&whole).unwrap(), "cut at {cut}");
            }
        }
        let claims_3_gb = b"\0\0\x02\0\0\0\0\xC0abcd";
        assert_eq!(CommandSet::parse(claims_3_gb), None);
        assert_eq!(CommandSet::parse(b"\x08\0\x18\0\x02\0\0\0ab"), None, "group 0008");
        assert_eq!(CommandSet::parse(b""), None);
        let one_byte_number = b"\0\0\0\x01\x01\0\0\0\x30";
        assert_eq!(CommandSet::parse(one_byte_number), None);
    }

    #[test]
    fn an_invalid_uid_is_kept_apart_and_not_echoed() {
        let set = Encoder::new()
            .number(COMMAND_FIELD, field::C_STORE_RQ)
            .number(MESSAGE_ID, 1)
            .element(AFFECTED_INSTANCE, b"../../tmp/evil")
            .finish();
        let set = CommandSet::parse(&set).unwrap();
        assert_eq!(set.sop_instance, Some(Err(UidError::Malformed)));
        let answer = response(&set, 1, DimseStatus::INVALID_SOP_INSTANCE);
        assert_eq!(CommandSet::parse(&answer).unwrap().sop_instance, None);
    }
}
