//! Doors for the fuzz targets of `fuzz/`: what a peer can reach before it is known. Only with the
//! feature `fuzzing`; nothing else may use it.

use crate::command::{CommandSet, response};
use crate::negotiation::Proposal;
use crate::pace::Pace;
use crate::policy::{CalledRule, CallerRule, Limits, Policy};
use crate::state::Event;
use crate::wire::{Arrival, Patience, Wire, kind};
use centinela_domain::ae::AeTitle;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{self, AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

/// Longer than any target runs: the peer of these tests never makes us wait.
const NEVER: Duration = Duration::from_secs(3600);
/// Announced in both targets: small, so that the limits are met often.
const MAX_PDU: u32 = 16_384;

/// Bytes that arrive a few at a time, then the end of the stream.
struct Drip<'a> {
    bytes: &'a [u8],
    step: usize,
}

impl AsyncRead for Drip<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = self.step.min(self.bytes.len()).min(into.remaining());
        let (now, later) = self.bytes.split_at(count);
        into.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

/// PS3.8 framing: the first byte says how many bytes arrive at once and whether an association
/// request comes first; the rest is the stream.
///
/// # Panics
/// If more message bytes come out than went in.
pub fn framer(input: &[u8]) {
    let Some((&how, bytes)) = input.split_first() else { return };
    let step = match how & 0x7f {
        0 => usize::MAX,
        few => usize::from(few),
    };
    let stream = io::join(Drip { bytes, step }, io::sink());
    let mut wire = Wire::new(stream, MAX_PDU, CancellationToken::new());
    run(async {
        if how & 0x80 != 0 && wire.association_pdu(65_536, NEVER, None).await.is_err() {
            return;
        }
        if how & 0x80 == 0 {
            wire.step(Event::AssociateRq);
        }
        wire.step(Event::Accept);
        wire.establish(CancellationToken::new(), Pace::off());
        let mut message = 0;
        while let Ok(arrival) = wire.next(Patience { between: NEVER, inside: NEVER, open: false }).await {
            if let Arrival::Fragment(fragment) = arrival {
                message += fragment.data.len();
            }
        }
        assert!(message <= bytes.len(), "more came out than went in");
    });
}

/// A command set, and our answer to it, which must be a command set again.
///
/// # Panics
/// If we cannot read our own answer.
pub fn command(input: &[u8]) {
    let Some(set) = CommandSet::parse(input) else { return };
    let answer = response(&set, set.message_id.unwrap_or(0), DimseStatus::SUCCESS);
    let answer = CommandSet::parse(&answer);
    assert!(answer.is_some_and(|a| a.status == Some(DimseStatus::SUCCESS)), "our own answer cannot be read");
}

/// An A-ASSOCIATE-RQ with its header, and our answer to it.
///
/// # Panics
/// If an accepted context was not proposed with an odd identifier, or the answer is no A-ASSOCIATE-AC.
pub fn association(input: &[u8]) {
    let Ok(proposal) = Proposal::decode(input) else { return };
    POLICY.with(|policy| {
        let Ok((negotiated, accept)) = proposal.answer(policy, None) else { return };
        assert_eq!(accept.first(), Some(&kind::ASSOCIATE_AC));
        assert!(negotiated.contexts.len() <= negotiated.proposed && negotiated.proposed <= 128);
        assert!(negotiated.contexts.iter().all(|c| c.id % 2 == 1));
    });
}

thread_local! {
    static POLICY: Policy = Policy {
        ae_title: AeTitle::parse("CENTINELA").unwrap_or_else(|_| unreachable!()),
        called: CalledRule::Any,
        callers: CallerRule::Any,
        accept_any_abstract_syntax: true,
        commitment: true,
        spool: std::env::temp_dir(),
        direct_io: true,
        limits: Limits { max_pdu: MAX_PDU, ..Limits::default() },
        implementation_class_uid: Uid::derive(&["fuzz"]),
        implementation_version: "FUZZ".to_owned(),
        drain_timeout: Duration::ZERO,
        security: crate::Security::default(),
    };
    static RUNTIME: io::Result<tokio::runtime::Runtime> =
        tokio::runtime::Builder::new_current_thread().enable_time().build();
}

/// Runs to the end on a runtime that this thread keeps.
fn run(work: impl Future<Output = ()>) {
    RUNTIME.with(|runtime| match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => panic!("no runtime: {error}"),
    });
}
