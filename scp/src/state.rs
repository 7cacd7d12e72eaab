//! The state machine of PS3.8 section 9.2: table 9-10 for the states that this program can be in.
//!
//! [`crate::wire::Wire`] holds the [`State`] and steps it once for each PDU and each decision, never
//! for each fragment, so the data path does not pay for it. What the acceptor does in each state:
//!
//! | state | code | timer |
//! |---|---|---|
//! | Sta2, awaiting A-ASSOCIATE-RQ | `Association::run` up to the request | ARTIM (`[dicom] artim_timeout`) over everything: TLS hand-shake, header, body |
//! | Sta3, awaiting the local answer | `Proposal::answer`, `Admission` | none: it does not wait |
//! | Sta6, open | `next_command`, `serve_command` | ours, not the standard's: idle between messages, stall and least rate inside one |
//! | Sta8, awaiting the local release answer | end of `Association::run` | none: it does not wait |
//! | Sta13, awaiting the close | `Wire::linger` | ARTIM |
//!
//! Sta4 and Sta9 to Sta12 do not occur: connecting is over before a `Wire` exists, and a requestor
//! that meets a release collision closes. Where a timer of ours runs out in Sta6, the local user
//! asks for an abort (Evt15). ARTIM in Sta2 closes without a word (AA-2).
//!
//! Two liberties. AA-1 in Sta2 names the service provider and its reason, where table 9-9 has the
//! service user, whose reason means nothing: the peer's log then tells what was wrong. In Sta13
//! nothing is parsed any more: whatever comes is thrown away (AA-6), up to a number of bytes.

use crate::wire::kind;

/// A state of table 9-10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No connection, or none that matters any more.
    Sta1,
    /// Acceptor: the connection is open, the request is awaited.
    Sta2,
    /// Acceptor: the request is there, our own decision is awaited.
    Sta3,
    /// Requestor: the answer to the request is awaited.
    Sta5,
    /// Data transfer.
    Sta6,
    /// Requestor: the answer to the release is awaited.
    Sta7,
    /// The peer asked for release, our own answer is awaited.
    Sta8,
    /// The peer's close is awaited.
    Sta13,
}

/// An event of table 9-10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// Evt3: A-ASSOCIATE-AC came.
    AssociateAc,
    /// Evt4: A-ASSOCIATE-RJ came.
    AssociateRj,
    /// Evt6: A-ASSOCIATE-RQ came.
    AssociateRq,
    /// Evt7: we accept.
    Accept,
    /// Evt8: we reject.
    Reject,
    /// Evt10: P-DATA-TF came.
    Data,
    /// Evt11: we ask for release.
    Release,
    /// Evt12: A-RELEASE-RQ came.
    ReleaseRq,
    /// Evt13: A-RELEASE-RP came.
    ReleaseRp,
    /// Evt14: we answer the release.
    ReleaseAnswer,
    /// Evt15: we abort.
    Abort,
    /// Evt16: A-ABORT came.
    AbortPdu,
    /// Evt17: the connection is closed.
    Closed,
    /// Evt18: ARTIM ran out.
    ArtimExpired,
    /// Evt19: an unrecognized or invalid PDU came.
    Invalid,
}

impl Event {
    /// The event that a PDU of this type is.
    pub(crate) const fn of_pdu(pdu: u8) -> Self {
        match pdu {
            kind::ASSOCIATE_RQ => Self::AssociateRq,
            kind::ASSOCIATE_AC => Self::AssociateAc,
            kind::ASSOCIATE_RJ => Self::AssociateRj,
            kind::P_DATA => Self::Data,
            kind::RELEASE_RQ => Self::ReleaseRq,
            kind::RELEASE_RP => Self::ReleaseRp,
            kind::ABORT => Self::AbortPdu,
            _ => Self::Invalid,
        }
    }
}

/// An action of tables 9-6 to 9-9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Take the acceptance.
    Ae3,
    /// Take the rejection and close.
    Ae4,
    /// Stop ARTIM and look at the request.
    Ae6,
    /// Send A-ASSOCIATE-AC.
    Ae7,
    /// Send A-ASSOCIATE-RJ and start ARTIM.
    Ae8,
    /// Take the data.
    Dt2,
    /// Send A-RELEASE-RQ.
    Ar1,
    /// The peer wants to release.
    Ar2,
    /// The release is answered: close.
    Ar3,
    /// Send A-RELEASE-RP and start ARTIM.
    Ar4,
    /// Stop ARTIM.
    Ar5,
    /// Take data that comes before the release answer.
    Ar6,
    /// Both want to release: we close.
    Ar8,
    /// Send A-ABORT, start ARTIM.
    Aa1,
    /// Stop ARTIM, close.
    Aa2,
    /// The peer aborted: close.
    Aa3,
    /// The connection is gone.
    Aa4,
    /// The connection is gone; stop ARTIM.
    Aa5,
    /// Ignore the PDU.
    Aa6,
    /// Send A-ABORT again.
    Aa7,
    /// Send A-ABORT as the service provider, start ARTIM.
    Aa8,
    /// The table is empty here.
    Nothing,
}

impl State {
    /// What to do at `event`, and the state afterwards.
    pub(crate) const fn on(self, event: Event) -> (Action, Self) {
        use Action::*;
        use Event as E;
        use State::*;
        match (self, event) {
            (Sta1, _) => (Nothing, Sta1),

            (Sta2, E::AssociateRq) => (Ae6, Sta3),
            (Sta2, E::AbortPdu | E::ArtimExpired) => (Aa2, Sta1),
            (Sta2, E::Closed) => (Aa5, Sta1),
            (Sta2, E::AssociateAc | E::AssociateRj | E::Data | E::ReleaseRq | E::ReleaseRp | E::Invalid) => {
                (Aa1, Sta13)
            }

            (Sta3, E::Accept) => (Ae7, Sta6),
            (Sta3, E::Reject) => (Ae8, Sta13),

            (Sta5, E::AssociateAc) => (Ae3, Sta6),
            (Sta5, E::AssociateRj) => (Ae4, Sta1),

            (Sta6, E::Data) => (Dt2, Sta6),
            (Sta6, E::Release) => (Ar1, Sta7),
            (Sta6, E::ReleaseRq) => (Ar2, Sta8),

            (Sta7, E::Data) => (Ar6, Sta7),
            (Sta7, E::ReleaseRq) => (Ar8, Sta1),
            (Sta7, E::ReleaseRp) => (Ar3, Sta1),

            (Sta8, E::ReleaseAnswer) => (Ar4, Sta13),

            (Sta13, E::AssociateRq | E::Invalid) => (Aa7, Sta13),
            (Sta13, E::AbortPdu | E::ArtimExpired) => (Aa2, Sta1),
            (Sta13, E::Closed) => (Ar5, Sta1),
            (Sta13, E::AssociateAc | E::AssociateRj | E::Data | E::ReleaseRq | E::ReleaseRp) => (Aa6, Sta13),

            (Sta3 | Sta5 | Sta6 | Sta7 | Sta8, E::Abort) => (Aa1, Sta13),
            (Sta3 | Sta5 | Sta6 | Sta7 | Sta8, E::AbortPdu) => (Aa3, Sta1),
            (Sta3 | Sta5 | Sta6 | Sta7 | Sta8, E::Closed) => (Aa4, Sta1),
            (
                Sta3 | Sta5 | Sta6 | Sta7 | Sta8,
                E::AssociateRq | E::AssociateAc | E::AssociateRj | E::Data | E::ReleaseRq | E::ReleaseRp | E::Invalid,
            ) => (Aa8, Sta13),
            (state, _) => (Nothing, state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event as E;
    use State::*;

    /// Table 9-10, typed from the standard: one line for each event, one column for each state,
    /// action and next state. Columns of states that do not occur are left out; AR-8 leads to Sta9
    /// or Sta10 there and to the close here.
    const TABLE: &str = "
        Evt3  | -        | AA-1/13 | AA-8/13 | AE-3/6  | AA-8/13 | AA-8/13 | AA-8/13 | AA-6/13
        Evt4  | -        | AA-1/13 | AA-8/13 | AE-4/1  | AA-8/13 | AA-8/13 | AA-8/13 | AA-6/13
        Evt6  | -        | AE-6/3  | AA-8/13 | AA-8/13 | AA-8/13 | AA-8/13 | AA-8/13 | AA-7/13
        Evt7  | -        | -       | AE-7/6  | -       | -       | -       | -       | -
        Evt8  | -        | -       | AE-8/13 | -       | -       | -       | -       | -
        Evt10 | -        | AA-1/13 | AA-8/13 | AA-8/13 | DT-2/6  | AR-6/7  | AA-8/13 | AA-6/13
        Evt11 | -        | -       | -       | -       | AR-1/7  | -       | -       | -
        Evt12 | -        | AA-1/13 | AA-8/13 | AA-8/13 | AR-2/8  | AR-8/1  | AA-8/13 | AA-6/13
        Evt13 | -        | AA-1/13 | AA-8/13 | AA-8/13 | AA-8/13 | AR-3/1  | AA-8/13 | AA-6/13
        Evt14 | -        | -       | -       | -       | -       | -       | AR-4/13 | -
        Evt15 | -        | -       | AA-1/13 | AA-1/13 | AA-1/13 | AA-1/13 | AA-1/13 | -
        Evt16 | -        | AA-2/1  | AA-3/1  | AA-3/1  | AA-3/1  | AA-3/1  | AA-3/1  | AA-2/1
        Evt17 | -        | AA-5/1  | AA-4/1  | AA-4/1  | AA-4/1  | AA-4/1  | AA-4/1  | AR-5/1
        Evt18 | -        | AA-2/1  | -       | -       | -       | -       | -       | AA-2/1
        Evt19 | -        | AA-1/13 | AA-8/13 | AA-8/13 | AA-8/13 | AA-8/13 | AA-8/13 | AA-7/13";

    const STATES: [(State, &str); 8] =
        [(Sta1, "1"), (Sta2, "2"), (Sta3, "3"), (Sta5, "5"), (Sta6, "6"), (Sta7, "7"), (Sta8, "8"), (Sta13, "13")];

    const EVENTS: [(Event, &str); 15] = [
        (E::AssociateAc, "Evt3"),
        (E::AssociateRj, "Evt4"),
        (E::AssociateRq, "Evt6"),
        (E::Accept, "Evt7"),
        (E::Reject, "Evt8"),
        (E::Data, "Evt10"),
        (E::Release, "Evt11"),
        (E::ReleaseRq, "Evt12"),
        (E::ReleaseRp, "Evt13"),
        (E::ReleaseAnswer, "Evt14"),
        (E::Abort, "Evt15"),
        (E::AbortPdu, "Evt16"),
        (E::Closed, "Evt17"),
        (E::ArtimExpired, "Evt18"),
        (E::Invalid, "Evt19"),
    ];

    #[test]
    fn every_cell_is_as_in_table_9_10() {
        let mut cells = 0;
        let lines: Vec<_> = TABLE.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(lines.len(), EVENTS.len());
        for (line, (event, name)) in lines.iter().zip(EVENTS) {
            let mut columns = line.split('|').map(str::trim);
            assert_eq!(columns.next(), Some(name));
            let columns: Vec<_> = columns.collect();
            assert_eq!(columns.len(), STATES.len(), "{name}");
            for (wanted, (state, number)) in columns.iter().zip(STATES) {
                let (action, next) = state.on(event);
                let next = STATES.iter().find(|(s, _)| *s == next).map_or("", |(_, number)| number);
                let got = match action {
                    Action::Nothing if next == number => "-".to_owned(),
                    action => {
                        let text = format!("{action:?}").to_uppercase();
                        format!("{}-{}/{next}", &text[..2], &text[2..])
                    }
                };
                assert_eq!(got, *wanted, "{name} in Sta{number}");
                cells += 1;
            }
        }
        assert_eq!(cells, 120);
    }

    #[test]
    fn every_pdu_type_is_an_event() {
        let of = |pdu| Event::of_pdu(pdu);
        assert_eq!([1, 2, 3, 4].map(of), [E::AssociateRq, E::AssociateAc, E::AssociateRj, E::Data]);
        assert_eq!([5, 6, 7].map(of), [E::ReleaseRq, E::ReleaseRp, E::AbortPdu]);
        assert!([0, 8, 0x47, 0xFF].map(of).iter().all(|event| *event == E::Invalid));
    }
}
