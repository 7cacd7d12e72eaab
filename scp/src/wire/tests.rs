//! The framer against every cut and against noise.

use super::*;
use proptest::prelude::{any, prop_assert, prop_assert_eq};
use proptest::{collection::vec, proptest};

const PATIENCE: Patience = Patience { between: Duration::from_secs(5), inside: Duration::from_secs(5), open: false };

/// Feeds `bytes` in pieces and joins the fragments up to the fault that ends it.
async fn joined(bytes: &[u8], piece: usize) -> (Vec<(u8, bool, Vec<u8>)>, Fault) {
    let (near, mut far) = tokio::io::duplex(64);
    let mut wire = Wire::new(near, 4096, CancellationToken::new());
    wire.state = State::Sta6;
    let writing = async {
        for piece in bytes.chunks(piece) {
            // The reader may have given up already.
            let _ = far.write_all(piece).await;
        }
        drop(far);
    };
    let reading = async {
        let mut messages: Vec<(u8, bool, Vec<u8>)> = Vec::new();
        let mut open = false;
        loop {
            match wire.next(PATIENCE).await {
                Ok(Arrival::Fragment(fragment)) => {
                    if !open {
                        messages.push((fragment.context, fragment.command, Vec::new()));
                    }
                    open = !fragment.last;
                    if let Some(message) = messages.last_mut() {
                        message.2.extend_from_slice(fragment.data);
                    }
                }
                Ok(_) => {}
                Err(fault) => {
                    drop(wire);
                    return (messages, fault);
                }
            }
        }
    };
    tokio::join!(writing, reading).1
}

fn on_a_runtime<T>(future: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok()?;
    Some(runtime.block_on(future))
}

proptest! {
    #[test]
    fn messages_survive_any_cut(
        messages in vec((any::<u8>(), any::<bool>(), vec(any::<u8>(), 0..600)), 0..5),
        room in 1_usize..90,
        piece in 1_usize..200,
    ) {
        let mut bytes = Vec::new();
        for (context, command, data) in &messages {
            let mut values: Vec<u8> = Vec::new();
            let mut fragments: Vec<&[u8]> = data.chunks(room).collect();
            fragments.push(b"");
            let count = fragments.len();
            for (index, fragment) in fragments.into_iter().enumerate() {
                let last = u8::from(index + 1 == count) << 1;
                values.extend((fragment.len() as u32 + 2).to_be_bytes());
                values.extend([*context, u8::from(*command) | last]);
                values.extend(fragment);
                // Several values in one PDU, now and then.
                if values.len() > 200 || last != 0 {
                    bytes.extend([kind::P_DATA, 0]);
                    bytes.extend((values.len() as u32).to_be_bytes());
                    bytes.append(&mut values);
                }
            }
        }
        let joined = on_a_runtime(joined(&bytes, piece));
        let Some((heard, Fault::Closed)) = joined else {
            panic!("{joined:?}");
        };
        prop_assert_eq!(heard, messages);
    }

    #[test]
    fn any_bytes_end_in_a_fault(
        mut bytes in vec(any::<u8>(), 0..400),
        as_p_data in any::<bool>(),
    ) {
        if as_p_data {
            let length = (bytes.len() as u32).to_be_bytes();
            bytes.splice(0..0, [[kind::P_DATA, 0].as_slice(), &length].concat());
        }
        let outcome = on_a_runtime(joined(&bytes, 64));
        prop_assert!(!matches!(outcome, None | Some((_, Fault::TimedOut | Fault::Lost))));
    }
}
