//! DIMSE messages as P-DATA PDUs: sending in fragments (PS3.8 annex E, PS3.7 section 6.3).

use crate::wire::{Fault, Wire, kind};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest P-DATA that we send to a peer that names no limit.
const LARGEST_SENT: usize = 128 * 1024;
/// PDUs are gathered to writes of about this size.
const WRITE_BLOCK: usize = 256 * 1024;
/// PDV header: length, context, message control header.
const PDV_HEADER: usize = 6;

/// The smallest maximum length that a peer may announce. Smaller values (but 0, no limit) leave no
/// room for a command in one fragment and only serve to multiply headers.
pub(crate) const SMALLEST_PEER_PDU: u32 = 1018;

/// Sends one message: the command set, then the data set if there is one.
///
/// `peer_max` is the longest P-DATA that the peer takes, 0 for no limit; each write has `wait`.
pub(crate) async fn send_message<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    context: u8,
    command: &[u8],
    data_set: Option<&[u8]>,
    peer_max: u32,
    wait: Duration,
) -> Result<(), Fault> {
    let room = fragment_room(peer_max);
    let mut block = Vec::with_capacity(command.len() + 64);
    let parts = [(true, Some(command)), (false, data_set)];
    for (is_command, bytes) in parts.into_iter().filter_map(|(c, b)| b.map(|b| (c, b))) {
        let mut rest = bytes;
        loop {
            let (fragment, tail) = rest.split_at(rest.len().min(room));
            rest = tail;
            push_fragment(&mut block, context, is_command, rest.is_empty(), fragment);
            if block.len() >= WRITE_BLOCK {
                wire.send(&block, wait).await?;
                block.clear();
            }
            // An empty data set still needs its one, empty, last fragment.
            if rest.is_empty() {
                break;
            }
        }
    }
    wire.send(&block, wait).await
}

/// Bytes of one fragment, even, so that each PDV has an even length (PS3.8 annex E.1).
fn fragment_room(peer_max: u32) -> usize {
    let max = if peer_max == 0 { LARGEST_SENT } else { (peer_max as usize).min(LARGEST_SENT) };
    (max.max(SMALLEST_PEER_PDU as usize) - PDV_HEADER) & !1
}

/// Appends one P-DATA PDU with one presentation data value.
fn push_fragment(block: &mut Vec<u8>, context: u8, command: bool, last: bool, bytes: &[u8]) {
    // A fragment has at most LARGEST_SENT bytes: both lengths fit.
    let item = bytes.len() as u32 + 2;
    block.extend_from_slice(&[kind::P_DATA, 0]);
    block.extend_from_slice(&(item + 4).to_be_bytes());
    block.extend_from_slice(&item.to_be_bytes());
    block.extend_from_slice(&[context, u8::from(command) | (u8::from(last) << 1)]);
    block.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_fit_the_peer_and_are_even() {
        assert_eq!(fragment_room(0), LARGEST_SENT - 6);
        assert_eq!(fragment_room(u32::MAX), LARGEST_SENT - 6);
        assert_eq!(fragment_room(16384), 16378);
        assert_eq!(fragment_room(16383), 16376);
        assert_eq!(fragment_room(1018), 1012);
    }

    #[test]
    fn a_fragment_is_a_pdu_of_its_own() {
        let mut block = Vec::new();
        push_fragment(&mut block, 3, true, false, b"abcd");
        assert_eq!(block, b"\x04\0\0\0\0\x0a\0\0\0\x06\x03\x01abcd");
        block.clear();
        push_fragment(&mut block, 255, false, true, b"");
        assert_eq!(block, b"\x04\0\0\0\0\x06\0\0\0\x02\xff\x02");
    }
}
