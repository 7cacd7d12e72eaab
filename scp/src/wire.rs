//! PDUs on one transport connection: the framing of PS3.8 section 9.3, both ways.
//!
//! P-DATA is never collected: each fragment is handed on as it arrives, so memory does not depend
//! on what a peer claims. Every length is checked against its limit before anything is buffered.
//! The bytes of data sets go from the socket straight into the caller's block.

use crate::admission::Admission;
use crate::pace::Pace;
use crate::state::{Action, Event, State};
use read::{Target, received};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// PDU types (PS3.8 tables 9-11 to 9-26).
pub(crate) mod kind {
    pub(crate) const ASSOCIATE_RQ: u8 = 0x01;
    pub(crate) const ASSOCIATE_AC: u8 = 0x02;
    pub(crate) const ASSOCIATE_RJ: u8 = 0x03;
    pub(crate) const P_DATA: u8 = 0x04;
    pub(crate) const RELEASE_RQ: u8 = 0x05;
    pub(crate) const RELEASE_RP: u8 = 0x06;
    pub(crate) const ABORT: u8 = 0x07;
}

/// Bytes of a PDU header, and of a PDV header with its message control header.
const HEADER: usize = 6;
/// Room for headers and command sets. Small, so that data sets seldom pass through it.
const BUFFER: usize = 4 * 1024;
/// After an abort or a rejection, so many bytes are still read and thrown away, so that the close
/// does not overtake our last PDU.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// Our own last words may not wait for a peer that does not read.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Source and reason of the A-ABORT that we send (PS3.8 section 9.3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AbortReason {
    /// The DIMSE layer gives up (source 0).
    ServiceUser,
    /// Source 2, reason 0: time limits and our own faults.
    NotSpecified,
    /// Source 2, reason 1.
    UnrecognizedPdu,
    /// Source 2, reason 2.
    UnexpectedPdu,
    /// Source 2, reason 6.
    InvalidParameter,
}

impl AbortReason {
    /// The two bytes on the wire.
    const fn code(self) -> [u8; 2] {
        match self {
            Self::ServiceUser => [0, 0],
            Self::NotSpecified => [2, 0],
            Self::UnrecognizedPdu => [2, 1],
            Self::UnexpectedPdu => [2, 2],
            Self::InvalidParameter => [2, 6],
        }
    }
}

/// Why a connection cannot go on.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The peer broke the protocol; it is told so by an A-ABORT with this reason.
    Violation(AbortReason, &'static str),
    /// The peer sent A-ABORT with this source and reason.
    PeerAborted(u8, u8),
    /// The peer closed the connection.
    Closed,
    /// The transport failed.
    Lost,
    /// Nothing came, or nothing could be sent, within the time limit.
    TimedOut,
    /// Bytes came, but too few for the time.
    TooSlow,
    /// We are asked to stop.
    Halted,
}

/// A violation by value of a field.
pub(crate) const fn invalid(what: &'static str) -> Fault {
    Fault::Violation(AbortReason::InvalidParameter, what)
}

/// A part of one DIMSE message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fragment<'a> {
    /// Presentation context.
    pub(crate) context: u8,
    /// Command set, else data set.
    pub(crate) command: bool,
    /// The bytes; may be empty.
    pub(crate) data: &'a [u8],
    /// The command set or data set ends with these bytes.
    pub(crate) last: bool,
}

/// A part of a data set whose bytes went into the caller's block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    /// Presentation context.
    pub(crate) context: u8,
    /// Command set, else data set.
    pub(crate) command: bool,
    /// Bytes appended to the block; may be none.
    pub(crate) count: usize,
    /// The command set or data set ends with these bytes.
    pub(crate) last: bool,
}

/// What came on an established association.
#[derive(Debug)]
pub(crate) enum Arrival<F> {
    /// Message bytes.
    Fragment(F),
    /// A-RELEASE-RQ.
    ReleaseRequest,
    /// A-RELEASE-RP.
    ReleaseReply,
}

/// How long a read may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Before the first byte of a PDU.
    pub(crate) between: Duration,
    /// Inside a PDU.
    pub(crate) inside: Duration,
    /// Whether a message is open, so that the least rate holds between its PDUs too.
    pub(crate) open: bool,
}

/// The open presentation data value.
#[derive(Debug, Clone, Copy)]
struct Pdv {
    context: u8,
    command: bool,
    last: bool,
    left: usize,
}

/// One transport connection with the state of its framing.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    max_pdu: u32,
    pdu_left: usize,
    pdv: Option<Pdv>,
    halt: CancellationToken,
    state: State,
    pace: Pace,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// `max_pdu` is the longest P-DATA that we accept; `halt` cuts every wait for the peer.
    pub(crate) fn new(stream: S, max_pdu: u32, halt: CancellationToken) -> Self {
        Self {
            stream,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            max_pdu,
            pdu_left: 0,
            pdv: None,
            halt,
            state: State::Sta2,
            pace: Pace::off(),
        }
    }

    /// The connection itself.
    pub(crate) const fn stream(&self) -> &S {
        &self.stream
    }

    /// We sent the request instead of waiting for one.
    pub(crate) const fn requested(&mut self) {
        self.state = State::Sta5;
    }

    /// The association is open: another token cuts the waits, there is a least rate inside messages,
    /// and the room of a long request is given back.
    pub(crate) fn establish(&mut self, halt: CancellationToken, pace: Pace) {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        self.buffer.truncate(BUFFER.max(self.end));
        self.buffer.shrink_to_fit();
        self.halt = halt;
        self.pace = pace;
    }

    /// Tells the state machine of an event; gives what it asks for.
    pub(crate) const fn step(&mut self, event: Event) -> Action {
        let (action, next) = self.state.on(event);
        self.state = next;
        action
    }

    /// The association ends by this fault: whether the peer is told by A-ABORT.
    pub(crate) fn fail(&mut self, fault: &Fault) -> bool {
        let event = match fault {
            Fault::Violation(AbortReason::ServiceUser, _) => Event::Abort,
            Fault::Violation(..) => Event::Invalid,
            Fault::PeerAborted(..) => Event::AbortPdu,
            Fault::Closed | Fault::Lost => Event::Closed,
            // Before the association is open, all waiting is under ARTIM.
            Fault::TimedOut | Fault::Halted if self.state == State::Sta2 => Event::ArtimExpired,
            Fault::TimedOut | Fault::TooSlow | Fault::Halted => Event::Abort,
        };
        matches!(self.step(event), Action::Aa1 | Action::Aa7 | Action::Aa8)
    }

    /// Reads one whole association PDU, header included, within `within`: RQ in Sta2, AC or RJ in
    /// Sta5.
    ///
    /// Its length must be at most `limit`: type and length are checked on the header, before the
    /// body is read into memory that all connections of `admission` share.
    pub(crate) async fn association_pdu(
        &mut self,
        limit: u32,
        within: Duration,
        admission: Option<&Admission>,
    ) -> Result<(u8, Vec<u8>), Fault> {
        let reading = async {
            // The deadline of the whole stands outside; a single read needs no other.
            self.need(HEADER, within, false).await?;
            let (pdu, length) = self.header();
            // The state changes when the PDU is whole: until then a request is under ARTIM.
            let event = Event::of_pdu(pdu);
            match self.state.on(event).0 {
                Action::Ae3 | Action::Ae4 | Action::Ae6 => {}
                Action::Aa2 | Action::Aa3 => return Err(self.peer_abort(length, within).await),
                _ => return Err(out_of_place(pdu)),
            }
            if length > limit {
                return Err(invalid("an association PDU longer than the limit"));
            }
            let _share = match admission {
                Some(admission) => admission.request_share(length).await,
                None => None,
            };
            let whole = HEADER + length as usize;
            self.need(whole, within, false).await?;
            let bytes = self.buffer[self.start..self.start + whole].to_vec();
            self.start += whole;
            self.step(event);
            Ok((pdu, bytes))
        };
        timeout(within, reading).await.unwrap_or(Err(Fault::TimedOut))
    }

    /// Waits until there is something to read, for at most `between`. Cancelling it loses nothing.
    pub(crate) async fn ready(&mut self, between: Duration) -> Result<(), Fault> {
        if self.pdv.is_some() || self.pdu_left > 0 {
            return Ok(());
        }
        self.need(1, between, false).await
    }

    /// Waits for the next message bytes or release.
    pub(crate) async fn next(&mut self, patience: Patience) -> Result<Arrival<Fragment<'_>>, Fault> {
        let pdv = match self.open(patience).await? {
            Arrival::Fragment(pdv) => pdv,
            Arrival::ReleaseRequest => return Ok(Arrival::ReleaseRequest),
            Arrival::ReleaseReply => return Ok(Arrival::ReleaseReply),
        };
        if pdv.left > 0 && self.start == self.end {
            self.fill(patience.inside, true).await?;
        }
        let taken = pdv.left.min(self.end - self.start);
        let from = self.start;
        self.start += taken;
        let last = self.advance(pdv, taken);
        let data = &self.buffer[from..from + taken];
        Ok(Arrival::Fragment(Fragment { context: pdv.context, command: pdv.command, data, last }))
    }

    /// As [`Wire::next`], but the bytes are appended to `block`, within its capacity: the caller
    /// makes sure that there is room.
    pub(crate) async fn next_into(
        &mut self,
        patience: Patience,
        block: &mut Vec<u8>,
    ) -> Result<Arrival<Placed>, Fault> {
        let pdv = match self.open(patience).await? {
            Arrival::Fragment(pdv) => pdv,
            Arrival::ReleaseRequest => return Ok(Arrival::ReleaseRequest),
            Arrival::ReleaseReply => return Ok(Arrival::ReleaseReply),
        };
        let most = pdv.left.min(block.capacity() - block.len());
        let count = if most == 0 {
            0
        } else if self.start < self.end {
            let count = most.min(self.end - self.start);
            block.extend_from_slice(&self.buffer[self.start..self.start + count]);
            self.start += count;
            count
        } else {
            let target = Target::Block(block, most as u64);
            received(&mut self.stream, &self.halt, &mut self.pace, patience.inside, true, target).await?
        };
        let last = self.advance(pdv, count);
        Ok(Arrival::Fragment(Placed { context: pdv.context, command: pdv.command, count, last }))
    }

    /// Marks bytes of the open presentation data value as taken; tells whether they end the message
    /// part.
    fn advance(&mut self, pdv: Pdv, taken: usize) -> bool {
        self.pdu_left -= taken;
        let left = pdv.left - taken;
        self.pdv = (left > 0).then_some(Pdv { left, ..pdv });
        pdv.last && left == 0
    }

    /// Waits until a presentation data value is open, or a release came.
    async fn open(&mut self, patience: Patience) -> Result<Arrival<Pdv>, Fault> {
        let Patience { between, inside, open } = patience;
        loop {
            if let Some(pdv) = self.pdv {
                return Ok(Arrival::Fragment(pdv));
            }
            if self.pdu_left > 0 {
                self.need(HEADER, inside, true).await?;
                self.open_pdv()?;
                continue;
            }
            if !open {
                self.pace.restart();
            }
            // The first byte may take its time, the rest of the header may not.
            self.need(1, between, open).await?;
            self.need(HEADER, inside, true).await?;
            let (pdu, length) = self.header();
            match self.step(Event::of_pdu(pdu)) {
                Action::Dt2 | Action::Ar6 => {
                    if length > self.max_pdu {
                        return Err(invalid("a P-DATA PDU longer than we announced"));
                    }
                    if (length as usize) < HEADER {
                        return Err(invalid("a P-DATA PDU without a presentation data value"));
                    }
                    self.start += HEADER;
                    self.pdu_left = length as usize;
                }
                Action::Ar2 | Action::Ar3 | Action::Ar8 => {
                    self.short_pdu(length, inside).await?;
                    return Ok(if pdu == kind::RELEASE_RQ { Arrival::ReleaseRequest } else { Arrival::ReleaseReply });
                }
                Action::Aa3 => return Err(self.peer_abort(length, inside).await),
                _ => return Err(out_of_place(pdu)),
            }
        }
    }

    /// Reads the header of the next presentation data value inside the open P-DATA.
    fn open_pdv(&mut self) -> Result<(), Fault> {
        let head = &self.buffer[self.start..self.start + HEADER];
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (context, control) = (head[4], head[5]);
        // The item length counts context and control header, not itself.
        if length < 2 || self.pdu_left < 4 || length > self.pdu_left - 4 {
            return Err(invalid("a presentation data value that does not fit its PDU"));
        }
        let left = length - 2;
        let rest = self.pdu_left - HEADER - left;
        if rest > 0 && rest < HEADER {
            return Err(invalid("a P-DATA PDU with a torn presentation data value"));
        }
        self.start += HEADER;
        self.pdu_left -= HEADER;
        self.pdv = Some(Pdv { context, command: control & 1 != 0, last: control & 2 != 0, left });
        Ok(())
    }

    /// Type and length of the PDU whose header is buffered.
    fn header(&self) -> (u8, u32) {
        let head = &self.buffer[self.start..self.start + HEADER];
        (head[0], u32::from_be_bytes([head[2], head[3], head[4], head[5]]))
    }

    /// Consumes a PDU of the fixed length 4 and returns its body.
    async fn short_pdu(&mut self, length: u32, wait: Duration) -> Result<[u8; 4], Fault> {
        if length != 4 {
            return Err(invalid("a release or abort PDU of a wrong length"));
        }
        self.need(HEADER + 4, wait, true).await?;
        let at = self.start + HEADER;
        let body = [self.buffer[at], self.buffer[at + 1], self.buffer[at + 2], self.buffer[at + 3]];
        self.start = at + 4;
        Ok(body)
    }

    async fn peer_abort(&mut self, length: u32, wait: Duration) -> Fault {
        match self.short_pdu(length, wait).await {
            Ok([_, _, source, reason]) => Fault::PeerAborted(source, reason),
            // Whatever it said, it wanted to abort.
            Err(_) => Fault::PeerAborted(0, 0),
        }
    }

    /// Makes at least `count` unread bytes available.
    async fn need(&mut self, count: usize, wait: Duration, paced: bool) -> Result<(), Fault> {
        while self.end - self.start < count {
            self.fill(wait, paced).await?;
        }
        Ok(())
    }

    /// One read; with `paced` its wait counts against the least rate. The buffer grows only when it
    /// is full of unread bytes, which happens only for an association PDU, whose length was checked.
    async fn fill(&mut self, wait: Duration, paced: bool) -> Result<(), Fault> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            } else {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        let target = Target::Buffer(&mut self.buffer[self.end..]);
        self.end += received(&mut self.stream, &self.halt, &mut self.pace, wait, paced, target).await?;
        Ok(())
    }

    /// Writes all bytes within `wait`.
    pub(crate) async fn send(&mut self, bytes: &[u8], wait: Duration) -> Result<(), Fault> {
        let writing = async {
            self.stream.write_all(bytes).await?;
            // TLS may hold back the end of what it took.
            self.stream.flush().await
        };
        match timeout(wait, writing).await {
            Err(_) => Err(Fault::TimedOut),
            Ok(Err(_)) => Err(Fault::Lost),
            Ok(Ok(())) => Ok(()),
        }
    }

    /// Sends A-ABORT, as far as the peer still takes it.
    pub(crate) async fn send_abort(&mut self, reason: AbortReason) {
        let [source, code] = reason.code();
        let pdu = [kind::ABORT, 0, 0, 0, 0, 4, 0, 0, source, code];
        if self.send(&pdu, LAST_WORDS).await.is_ok() {
            // A failed shutdown means that the peer is gone, which is what we want.
            let _ = timeout(LAST_WORDS, self.stream.shutdown()).await;
        }
    }

    /// Waits for the peer to close, for at most `artim` (PS3.8 section 9.1.5), reading and
    /// throwing away what it still sends.
    pub(crate) async fn linger(&mut self, artim: Duration) {
        // Sta13. What comes is ignored (AA-6) until the close or ARTIM; both end in Sta1.
        let deadline = Instant::now() + artim;
        let mut thrown_away = 0;
        while thrown_away < LINGER_BYTES {
            let read = tokio::select! {
                read = timeout_at(deadline, self.stream.read(&mut self.buffer)) => read,
                () = self.halt.cancelled() => return,
            };
            match read {
                Ok(Ok(count)) if count > 0 => thrown_away += count,
                _ => return,
            }
        }
    }
}

/// The violation that a PDU of this type is, where another one was due.
fn out_of_place(pdu: u8) -> Fault {
    if (kind::ASSOCIATE_RQ..=kind::ABORT).contains(&pdu) {
        Fault::Violation(AbortReason::UnexpectedPdu, "a PDU that has no place here")
    } else {
        Fault::Violation(AbortReason::UnrecognizedPdu, "a PDU of an unknown type")
    }
}

mod read;
#[cfg(test)]
mod tests;
