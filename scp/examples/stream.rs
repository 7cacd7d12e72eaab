//! A modality that sends one film after the other: `stream AE HOST PORT EVERY_MS COUNT SEED FILE` sends the
//! file COUNT times, each time as a film and study of its own, over an association of its own, one every
//! EVERY_MS (0: without a pause), and prints as JSON how each was answered and how many milliseconds its
//! C-STORE took, from its first byte to the response.
#![expect(clippy::print_stdout, reason = "a command line program")]

use centinela_domain::ae::AeTitle;
use centinela_domain::uid::Uid;
use centinela_scp::{ProposedContext, Remote, Requestor, RequestorOptions, part10_parts};
use std::error::Error;
use std::time::{Duration, Instant};

/// Writes a number over the last digits of a UID wherever it stands in the header: the file stays as long.
fn renumber(bytes: &mut [u8], uid: &str, number: u64) {
    let digits = uid.len().min(8);
    let modulus = 10_u64.pow(u32::try_from(digits).unwrap_or(1) - 1);
    // Never a zero in front.
    let new = format!("{}{:0width$}", &uid[..uid.len() - digits], number % modulus + modulus, width = digits);
    let header = bytes.len().min(8_192);
    for at in 0..header.saturating_sub(uid.len()) {
        if bytes[at..].starts_with(uid.as_bytes()) {
            bytes[at..at + uid.len()].copy_from_slice(new.as_bytes());
        }
    }
}

/// The Study Instance UID of an explicit little-endian file.
fn study(bytes: &[u8]) -> Option<String> {
    let tag = [0x20, 0, 0x0D, 0, b'U', b'I'];
    let at = bytes.windows(6).take(8_192).position(|window| window == tag)? + 6;
    let length = usize::from(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let value = bytes.get(at + 2..at + 2 + length)?;
    Some(String::from_utf8_lossy(value).trim_end_matches('\0').to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [ae, host, port, every, count, seed, file] = arguments.as_slice() else {
        return Err("usage: stream AE HOST PORT EVERY_MS COUNT SEED FILE".into());
    };
    let remote = Remote { ae_title: AeTitle::parse(ae)?, host: host.clone(), port: port.parse()?, tls: None };
    let (every, count, seed): (u64, u64, u64) = (every.parse()?, count.parse()?, seed.parse()?);
    let original = std::fs::read(file)?;
    let (class, instance, syntax, offset) = part10_parts(&original)?;
    let study = study(&original).ok_or("the file has no Study Instance UID, or is implicit")?;
    let options = RequestorOptions {
        calling: AeTitle::parse("STREAM")?,
        connect_timeout: Duration::from_secs(60),
        response_timeout: Duration::from_secs(300),
        max_pdu: 131_072,
        implementation_class_uid: Uid::derive(&["example", "stream"]),
        implementation_version: "STREAM".to_owned(),
    };
    let context = ProposedContext::new(class.clone(), vec![syntax.clone()]);
    let start = Instant::now();
    let (mut times, mut statuses) = (Vec::new(), Vec::new());
    for n in 0..count {
        let mut film = original.clone();
        renumber(&mut film, instance.as_str(), seed + n);
        renumber(&mut film, &study, seed + n);
        let (_, instance, _, _) = part10_parts(&film)?;
        let due = start + Duration::from_millis(every * n);
        tokio::time::sleep(due.saturating_duration_since(Instant::now())).await;
        let mut requestor = Requestor::open(&remote, &options, std::slice::from_ref(&context)).await?;
        let begin = Instant::now();
        let status = requestor.store(&class, &instance, &syntax, &film[offset..]).await?;
        times.push(format!("{:.2}", begin.elapsed().as_secs_f64() * 1e3));
        statuses.push(format!("\"{:04X}\"", status.0));
        requestor.release().await;
    }
    println!("{{\"ms\": [{}], \"statuses\": [{}]}}", times.join(", "), statuses.join(", "));
    Ok(())
}
