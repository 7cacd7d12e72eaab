//! A-ASSOCIATE-RQ and our answer to it (PS3.8 section 9.3.2).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| centinela_scp::fuzz::association(input));
