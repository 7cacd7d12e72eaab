//! Command sets (PS3.7 section 6.3.1).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| centinela_scp::fuzz::command(input));
