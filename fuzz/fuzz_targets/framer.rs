//! PDU framing (PS3.8 section 9.3): what arrives on a connection.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| centinela_scp::fuzz::framer(input));
